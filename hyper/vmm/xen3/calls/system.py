"""xen_version, vm_assist, console_io, and the hypercalls that a domain without privileges does not have."""
from hyper.loader.file import pack32
from hyper.vmm.para.calls import debug_registers
from hyper.vmm.para.layout import EFAULT, EINVAL, ENOSYS, EPERM, FRAME
from hyper.vmm.para.linear_memory import NOT_MAPPED
from hyper.vmm.xen3.layout import END, MAGIC

VERSION, EXTRA_VERSION, COMPILE_INFO, CAPABILITIES, CHANGESET, PLATFORM, FEATURES, PAGE_SIZE, HANDLE, COMMAND_LINE = range(10)
NUMBER = 3 << 16 | 4            # 3.4, whose interface this is
PGDIR_ABOVE_4GB, PRESERVES_MARKS = 1 << 4, 1 << 5
ENABLE, DISABLE = range(2)
SEGMENTS_4GB, SEGMENTS_4GB_NOTIFY, WRITABLE_PAGE_TABLES, EXTENDED_CR3 = range(4)
WRITE, READ = range(2)
MOST_WRITTEN = FRAME            # bytes of one console_io


def xen_version(domain):
    command = domain.arguments[0]
    at = domain.arguments[1]
    if command == VERSION:
        return NUMBER
    if command == PAGE_SIZE:
        return FRAME
    if command == EXTRA_VERSION:
        return put(domain, at, padded('.0', 16))
    if command == COMPILE_INFO:
        return put(domain, at, padded('', 64 + 16 + 32 + 32))
    if command == CAPABILITIES:
        return put(domain, at, padded(MAGIC, 1024))
    if command == CHANGESET or command == COMMAND_LINE:
        return put(domain, at, padded('', 64))
    if command == PLATFORM:
        return put(domain, at, pack32(END))
    if command == HANDLE:
        return put(domain, at, padded('', 12) + pack32(domain.identity))
    if command == FEATURES:
        index = domain.linear.read32(at)
        if index == NOT_MAPPED:
            return -EFAULT
        if index != 0:
            return -EINVAL
        return put(domain, at + 4, pack32(PGDIR_ABOVE_4GB | PRESERVES_MARKS))
    return -ENOSYS


def padded(text, size):
    assert len(text) < size
    return text + '\x00' * (size - len(text))


def put(domain, at, text):
    return 0 if domain.memory3.write_text(at, text) else -EFAULT


def vm_assist(domain):
    """What every domain has: page tables may lie anywhere, segments are of no use above the hypervisor. Page tables are never written directly."""
    command = domain.arguments[0]
    kind = domain.arguments[1]
    if command > DISABLE:
        return -ENOSYS
    if kind == EXTENDED_CR3 or kind == SEGMENTS_4GB or kind == SEGMENTS_4GB_NOTIFY:
        return 0
    return -EINVAL


def console_io(domain):
    """What a kernel writes before it has its console."""
    command = domain.arguments[0]
    count = domain.arguments[1]
    at = domain.arguments[2]
    if command != WRITE:
        return -EPERM
    if count > MOST_WRITTEN or not domain.linear.contains(at, count):
        return -EINVAL
    text = domain.memory3.read_text(at, count)
    for character in text:
        domain.sink.write_byte(ord(character))
    domain.paging.work += len(text)
    return 0 if len(text) == count else -EFAULT


def set_debugreg(domain):
    return debug_registers.set_debugreg(domain)


def get_debugreg(domain):
    return debug_registers.get_debugreg(domain)


def unknown(domain):
    return -ENOSYS


def not_privileged(domain):
    return -EPERM
