"""mmu_update, mmuext_op and update_va_mapping: changes to page tables in use, and requests to the MMU."""
from hyper.vmm.para.frame_table import L1, L2, L3, WRITABLE
from hyper.vmm.para.layout import CONTINUE, EFAULT, EINVAL, ENOSYS, EPERM, FRAME, M32, MOST_WORK
from hyper.vmm.para.linear_memory import NOT_MAPPED
from hyper.vmm.xen3.layout import END, SELF

UPDATE_SIZE, OPERATION_SIZE = 16, 12
NORMAL, MACHINE_TO_PHYSICAL, PRESERVE_MARKS = range(3)          # in the low bits of an update's address
(PIN_L1, PIN_L2, PIN_L3, PIN_L4, UNPIN, NEW_BASE, FLUSH_LOCAL, INVALIDATE_LOCAL, FLUSH_MULTI, INVALIDATE_MULTI, FLUSH_ALL, INVALIDATE_ALL, FLUSH_CACHE,
 SET_LDT) = range(14)
CLEAR_PAGE, COPY_PAGE, FLUSH_CACHE_GLOBAL = 16, 17, 18
FLUSH_MASK, FLUSH, INVALIDATE = 3, 1, 2         # flags of update_va_mapping
WORK = 4                        # of a request, as much as so many entries of a table
PREEMPTED = 1 << 31             # of a count: requests done before are in the counter already


def is_self(domain, number):
    return number == SELF or number == domain.identity


def entry(low, high):
    """The signed word of both halves."""
    return low | (high ^ 1 << 31) - (1 << 31) << 32


def report(domain, at, done):
    """Adds what was done to the guest's counter, if it has one; False if that cannot be written."""
    if at == 0:
        return True
    return domain.linear.write32(at, done)


def mmu_update(domain):
    """Updates in order, up to the first that is refused; those before it stay done."""
    return requests(domain, UPDATE_SIZE, True)


def mmuext_op(domain):
    return requests(domain, OPERATION_SIZE, False)


def requests(domain, size, updates):
    """A list of (address, count), a counter that says how many were done, a domain that is the caller."""
    a = domain.arguments
    at = a[0]
    count = a[1] & ~PREEMPTED
    counter = a[2]
    linear = domain.linear
    paging = domain.paging
    before = 0
    if a[1] & PREEMPTED and counter != 0:
        before = max(linear.read32(counter), 0)
    if not is_self(domain, a[3] & 0xffff):
        return -EPERM
    if not linear.contains(at, count * size):
        return -EFAULT
    done = 0
    result = 0
    while done < count:
        if paging.work > MOST_WORK:
            a[0] = at
            a[1] = count - done | PREEMPTED
            result = CONTINUE
            break
        if updates:
            result = update(domain, at)
        else:
            result = operate(domain, at)
        if result != 0:
            break
        paging.work += WORK
        at += size
        done += 1
    if not report(domain, counter, before + done & M32) and result == 0:
        return -EFAULT
    return result


def update(domain, at):
    """One update: {u64 address, u64 value}."""
    linear = domain.linear
    address = linear.read32(at)
    address_high = linear.read32(at + 4)
    low = linear.read32(at + 8)
    high = linear.read32(at + 12)
    if address == NOT_MAPPED or address_high == NOT_MAPPED or low == NOT_MAPPED or high == NOT_MAPPED:
        return -EFAULT
    command = address & 3
    address &= ~3
    if address_high != 0:
        return -EINVAL
    if command == NORMAL or command == PRESERVE_MARKS:
        if domain.pae.change(address, entry(low, high), command == PRESERVE_MARKS):
            return 0
        return -EINVAL
    if command == MACHINE_TO_PHYSICAL:
        frame = address // FRAME
        if not domain.paging.owns(frame):
            return -EINVAL
        domain.paging.table.set_page(frame, low)
        return 0
    return -ENOSYS


def operate(domain, at):
    """One operation: {u32 command, u32 frame or address, u32 count or other frame}."""
    linear = domain.linear
    command = linear.read32(at)
    first = linear.read32(at + 4)
    second = linear.read32(at + 8)
    if command == NOT_MAPPED or first == NOT_MAPPED or second == NOT_MAPPED:
        return -EFAULT
    if command == FLUSH_CACHE or command == FLUSH_CACHE_GLOBAL:
        return 0                # caches are never stale here
    if command > COPY_PAGE or command == PIN_L4 or SET_LDT < command < CLEAR_PAGE:
        return -ENOSYS
    if carry_out(domain, command, first, second):
        return 0
    return -EINVAL


def carry_out(domain, command, first, second):
    """False if it is refused."""
    paging = domain.paging
    if command == PIN_L1:
        return paging.pin(first, L1)
    if command == PIN_L2:
        return paging.pin(first, L2)
    if command == PIN_L3:
        return paging.pin(first, L3)
    if command == UNPIN:
        return paging.unpin(first)
    if command == NEW_BASE:
        if not paging.set_base(first):
            return False
        domain.tables.forget_ldt()
        return True
    if command == FLUSH_LOCAL or command == FLUSH_MULTI or command == FLUSH_ALL:
        paging.flush()
        domain.tables.forget_ldt()
        return True
    if command == INVALIDATE_LOCAL or command == INVALIDATE_MULTI or command == INVALIDATE_ALL:
        if first < END:
            paging.invalidate(first)
        return True
    if command == SET_LDT:
        if not domain.tables.set_ldt(first, second):
            return False
        domain.descriptors_changed = True
        return True
    return copy(domain, command, first, second)


def copy(domain, command, frame, source):
    """Clears a page, or copies another to it; it is of no type that forbids writing."""
    paging = domain.pae
    if not paging.get_typed(frame, WRITABLE):
        return False
    fine = True
    if command == CLEAR_PAGE:
        paging.memory.clear(frame * FRAME, FRAME)
    elif paging.owns(source):
        paging.memory.write_bytes(frame * FRAME, paging.memory.read_bytes(source * FRAME, FRAME))
    else:
        fine = False
    paging.work += FRAME // 8
    paging.put_typed(frame)
    return fine


def update_va_mapping(domain):
    """The entry of the page table that maps a linear address."""
    address = domain.arguments[0]
    value = entry(domain.arguments[1], domain.arguments[2])
    flags = domain.arguments[3]
    paging = domain.paging
    at = domain.linear.table_entry(address)
    if at == NOT_MAPPED or not paging.write_l1_entry(at, value):
        return -EINVAL
    if flags & FLUSH_MASK == FLUSH:
        paging.flush()
    elif flags & FLUSH_MASK == INVALIDATE:
        paging.invalidate(address)
    return 0


def update_va_mapping_otherdomain(domain):
    if not is_self(domain, domain.arguments[4] & 0xffff):
        return -EPERM
    return update_va_mapping(domain)
