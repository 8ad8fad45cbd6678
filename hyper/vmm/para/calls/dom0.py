"""dom0_op {u32 cmd, union}: how the privileged domain makes, builds, starts, watches and ends others. In interface 1.2 the union comes after a word with the
version of this operation.

A new domain is made with its memory, of which the privileged one learns the frames; it maps them, fills them with a kernel and page tables, gives up what
must not stay mapped writable, and has the hypervisor build the domain: from then on the tables are checked as any other's. It is then started.

Operations that give results write them into the structure.

Interface 1.2 has further ones: 17 settime {u32 seconds, u32 microseconds, u64 system time}: the wall clock, of all paravirtual domains, read so at that time;
18 get page frame info; 19 read console {u32 address, u32 size, u32 whether what was read is forgotten}: what the hypervisor has said, the result is how much;
20 pin to a processor {u32 domain, s32 processor, or -1 for any}: there is one, 0.
"""
from hyper.vmm.para import context, setup
from hyper.vmm.para.domain import ParaDomain
from hyper.vmm.para.guest_time import SECOND
from hyper.vmm.para.layout import (ACCESSED, DIRTY, EFAULT, EINVAL, ENOMEM, ENOSYS, EPERM, ESRCH, EVENT_DIE, FRAME, HYPERVISOR, KERNEL_DS, M32, PRESENT, WRITE)
from hyper.vmm.para.linear_memory import NOT_MAPPED
from hyper.vmm.para.start_info import start_info
from hyper.vmm.para.structure import Structure

(GET_MEMORY_LIST, SCHEDULER_CONTROL, ADJUST_DOMAIN, CREATE, DESTROY, START, STOP, GET_INFO, BUILD, SET_IOPL) = (2, 6, 7, 8, 9, 10, 11, 12, 13, 14)
SET_TIME, PAGE_FRAME_INFO, READ_CONSOLE, PIN = 17, 18, 19, 20           # 1.2
VERSION_1_2 = 0xaaaa0003
NAME_SIZE = 16
COMMAND_LINE_SIZE = 256
KB = 1024
MOST_KB = 3 << 20
LEAST_PAGES = 16
ACTIVE, STOPPED = 0, 1
ESI = 6
SECOND_WORD = 32                # bits
MICROSECONDS = 1000000          # of a second
FIRST_PROCESSOR, ANY_PROCESSOR = 0, M32


def dom0_op(domain):
    if not domain.privileged:
        return -EPERM
    at = domain.arguments[0]
    command = domain.linear.read32(at)
    union = at + 4
    if domain.interface.layout.shared_is_machine:
        version = domain.linear.read32(at + 4)
        if version != VERSION_1_2 and version != NOT_MAPPED:
            domain.refusals.because('dom0_op of another version')
            return -EPERM
        union = at + 8
    structure = Structure(domain.linear, union)
    result = operate(domain, structure, command)
    domain.make_current()               # it may have been another's meanwhile
    return result


def operate(domain, structure, command):
    first = structure.word(0)
    if command == NOT_MAPPED or structure.faulted:
        return -EFAULT
    if command == CREATE:
        return create(domain, structure)
    if command == SCHEDULER_CONTROL:
        return 0 if domain.host.set_allowance(first) else -EINVAL
    if command == GET_INFO:
        return get_info(domain, structure, first)
    if command > SET_IOPL and domain.interface.layout.shared_is_machine:
        return operate_1_2(domain, structure, command, first)
    if command < GET_MEMORY_LIST or command > SET_IOPL or GET_MEMORY_LIST < command < SCHEDULER_CONTROL:
        return -ENOSYS
    return on_domain(domain, structure, command, domain.host.find(first))


def operate_1_2(domain, structure, command, first):
    """Those that only interface 1.2 has."""
    if command == SET_TIME:
        return set_time(domain, structure)
    if command == PAGE_FRAME_INFO:
        return page_frame_info(domain, structure, first)
    if command == READ_CONSOLE:
        return read_console(domain, structure)
    if command == PIN:
        return pin(domain, structure, domain.host.find(first))
    return -ENOSYS


def on_domain(domain, structure, command, target):
    """The operations on one domain, which has been looked for."""
    if target is None:
        domain.refusals.because('there is no such domain')
        return -ESRCH
    if command == ADJUST_DOMAIN:
        return adjust(domain, structure, target)
    if command == DESTROY:
        return destroy(domain, structure, target)
    if command == START:
        if not target.built:
            return -EINVAL
        domain.host.unpause(target)
        return 0
    if command == STOP:
        domain.host.pause(target)
        return 0
    if not isinstance(target, ParaDomain):
        return -EINVAL
    if command == GET_MEMORY_LIST:
        return get_memory_list(domain, structure, target)
    if command == BUILD:
        if target.built:
            domain.refusals.because('to build what is built')
            return -EINVAL
        domain.paging.flush()           # it may have had the tables of the other mapped writable
        if domain.interface.layout.shared_is_machine:
            return build_from_context(domain, structure, target)
        return build_from_addresses(domain, structure, target)
    return set_iopl(structure, target)


def create(domain, structure):
    pages = structure.word(0) * KB // FRAME
    name = structure.text(1, NAME_SIZE)
    structure.put(1 + NAME_SIZE // 4, 0)        # before there is a domain of which nobody would know
    if structure.faulted:
        return -EFAULT
    if structure.word(0) > MOST_KB or pages < LEAST_PAGES:
        return -EINVAL
    made = domain.host.create_empty(pages, name, domain.interface)
    if made is None:
        return -ENOMEM
    structure.put(1 + NAME_SIZE // 4, made.number)
    domain.paging.work += pages
    return structure.result(0)


def adjust(domain, structure, target):
    advance = structure.word(1)
    warp = structure.word(2)
    warp_limit = structure.word(3)
    unwarp = structure.word(4)
    if structure.faulted:
        return -EFAULT
    return 0 if domain.host.adjust(target, advance, warp, warp_limit, unwarp) else -EINVAL


def destroy(domain, structure, target):
    force = structure.word(1)
    if structure.faulted:
        return -EFAULT
    if target is domain:
        domain.refusals.because('to destroy itself')
        return -EINVAL
    if force == 0 and isinstance(target, ParaDomain) and target.built and target.alive:
        target.events.send(EVENT_DIE)
        return 0
    domain.host.destroy(target)
    return 0


def get_memory_list(domain, structure, target):
    most = structure.word(1)
    buffer = structure.word(2)
    table = domain.paging.table
    count = 0
    frame = 0
    while frame < table.count and count < most:
        if table.owner[frame] == target.number and frame != target.shared_frame and frame not in target.rings:
            if not domain.linear.write32(buffer + 4 * count, frame):
                return -EFAULT
            count += 1
        frame += 1
    domain.paging.work += count
    structure.put(3, count)
    return structure.result(0)


def get_info(domain, structure, number):
    """Of the first domain whose number is not less."""
    target = domain.host.find_from(number)
    if target is None:
        return -ESRCH
    structure.put(0, target.number)
    structure.put_text(1, target.name, NAME_SIZE)
    at = 1 + NAME_SIZE // 4
    structure.put(at, 0)                                        # the processor
    structure.put(at + 1, 1 if target is domain else 0)         # whether it has it
    structure.put(at + 2, STOPPED if target.paused or not target.alive else ACTIVE)
    pages = target.size // FRAME
    hypervisor_events = 0
    if isinstance(target, ParaDomain):
        pages = target.pages
        hypervisor_events = EVENT_DIE if not target.alive else 0
    structure.put(at + 3, hypervisor_events)
    structure.put(at + 4, domain.host.advance_of(target))
    structure.put(at + 5, pages)
    time = target.virtual_time()
    structure.put(at + 6, time)
    structure.put(at + 7, time >> SECOND_WORD)
    if domain.interface.layout.shared_is_machine and isinstance(target, ParaDomain):
        structure.put(at + 8, target.shared_frame)
        if target is not domain and target.built and target.alive:
            words = context.store(target)
            for k in range(context.WORDS):
                structure.put(at + 9 + k, words[k])
    return structure.result(0)


def page_frame_info(domain, structure, frame):
    """To which domain a machine frame belongs, and whether it is pinned as a table."""
    table = domain.paging.table
    if not table.is_frame(frame) or table.owner[frame] < 0:
        return -EINVAL
    structure.put(1, table.owner[frame])
    structure.put(2, table.kind[frame] if table.pinned[frame] else 0)
    return structure.result(0)


def set_time(domain, structure):
    """The wall clock is that of all paravirtual domains, and of those that come."""
    seconds = structure.word(0)
    microseconds = structure.word(1)
    low = structure.word(2)
    high = structure.word(3)
    if structure.faulted:
        return -EFAULT
    host = domain.host
    if microseconds >= MICROSECONDS or high >= 1 << 31 or high << SECOND_WORD | low > domain.times.now():
        domain.refusals.because('a wall clock with too many microseconds, or at a system time that has not come yet')
        return -EINVAL
    start = seconds * SECOND + microseconds * (SECOND // MICROSECONDS) - (high << SECOND_WORD | low) + domain.times.offset
    if start < 0:
        domain.refusals.because('a wall clock that would have been before 1970 when the machine began')
        return -EINVAL
    host.devices.wall_start = start
    target = host.find_from(0)
    while target is not None:
        if isinstance(target, ParaDomain) and target.alive:
            target.times.set_wall_start(start)
        domain.paging.work += 1
        target = host.find_from(target.number + 1)
    return 0


def read_console(domain, structure):
    at = structure.word(0)
    size = structure.word(1)
    forget = structure.word(2)
    if structure.faulted:
        return -EFAULT
    if forget > 1:
        domain.refusals.because('a way to read the console that is none')
        return -EINVAL
    text = domain.host.messages.oldest(size)
    for k in range(len(text)):
        if not domain.linear.write8(at + k, ord(text[k])):
            return -EFAULT
    if forget:
        domain.host.messages.forget(len(text))
    domain.paging.work += len(text)
    return len(text)


def pin(domain, structure, target):
    processor = structure.word(1)
    if structure.faulted:
        return -EFAULT
    if target is None:
        domain.refusals.because('there is no such domain')
        return -ESRCH
    if processor != FIRST_PROCESSOR and processor != ANY_PROCESSOR:
        domain.refusals.because('a processor that there is not')
        return -EINVAL
    return 0


def build_from_context(domain, structure, target):
    words = [0] * context.WORDS
    for k in range(context.WORDS):
        words[k] = structure.word(2 + k)
    if structure.faulted:
        return -EFAULT
    target.make_current()
    setup.prepare(target, 0, 0)
    return finish(domain, target, context.load(target, words))


def build_from_addresses(domain, structure, target):
    """1.0: (domain, page directory, load address, shared_info and start_info, interfaces, command line, module, its length). The hypervisor maps
    shared_info and fills start_info."""
    base = structure.word(1)
    load_address = structure.word(2)
    shared_at = structure.word(3)
    start_at = structure.word(4)
    line = structure.text(6, COMMAND_LINE_SIZE)
    module = structure.word(6 + COMMAND_LINE_SIZE // 4)
    module_size = structure.word(7 + COMMAND_LINE_SIZE // 4)
    if structure.faulted:
        return -EFAULT
    target.make_current()
    why = ''
    if base & 0xfff or not target.paging.set_base(base >> 12):
        why = 'a page directory that is refused'
    elif load_address >= HYPERVISOR or shared_at & 0xfff or start_at & 0xfff:
        why = 'addresses that are none'
    elif not map_shared_info(target, shared_at):
        why = 'no page table for shared_info'
    elif not fill_start_info(target, load_address, shared_at, start_at, line, module, module_size):
        why = 'no page for start_info'
    else:
        setup.prepare(target, load_address, start_at)
        target.registers[ESI] = start_at
        target.traps.set_stack(KERNEL_DS, start_at)
    return finish(domain, target, why)


def map_shared_info(target, address):
    at = target.linear.table_entry(address)
    return at != NOT_MAPPED and target.paging.write_l1_entry(at, target.shared_frame * FRAME | PRESENT | WRITE | ACCESSED | DIRTY)


def fill_start_info(target, load_address, shared_at, start_at, line, module, module_size):
    machine = target.linear.machine(start_at, True)
    if machine == NOT_MAPPED:
        return False
    directory_at = load_address + (target.pages - 1) * FRAME & M32          # the last page
    target.paging.memory.write_bytes(machine, start_info(target, target.pages, shared_at, directory_at, module, module_size, line))
    return True


def finish(domain, target, why):
    domain.paging.work += target.paging.work
    target.paging.work = 0
    if why != '':
        target.unload()
        domain.refusals.because('to build a domain whose state is refused')
        return -EINVAL
    target.built = True
    return 0


def set_iopl(structure, target):
    level = structure.word(1)
    if structure.faulted:
        return -EFAULT
    if level > 3:
        return -EINVAL
    target.set_iopl(level)
    return 0
