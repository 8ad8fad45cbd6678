"""pt_update (mmu_update) and update_va_mapping: changes to page tables in use, and requests to the MMU."""
from hyper.vmm.para.direct_paging import FOREIGN
from hyper.vmm.para.frame_table import L1, L2
from hyper.vmm.para.layout import (CONTINUE, EFAULT, EINVAL, EPERM, EXTENDED, FLUSH_TLB, FRAME, HYPERVISOR, INVALIDATE, MACHINE_TO_PHYSICAL, MOST_WORK, NEW_BASE,
                                   NORMAL, PIN_L1, PIN_L2, REQUEST_SIZE, SET_LDT, UNCHECKED, UNPIN, UPDATE_FLUSH, UPDATE_INVALIDATE)
from hyper.vmm.para.linear_memory import NOT_MAPPED

REQUEST_WORK = 4                # as much as so many entries of a table


def pt_update(domain):
    """Requests in order, up to the first that is refused; those before it stay done."""
    at = domain.arguments[0]
    count = domain.arguments[1]
    linear = domain.linear
    paging = domain.paging
    if not linear.contains(at, count * REQUEST_SIZE):
        return -EFAULT
    while count > 0:
        if paging.work > MOST_WORK:
            domain.arguments[0] = at
            domain.arguments[1] = count
            return CONTINUE
        pointer = linear.read32(at)
        value = linear.read32(at + 4)
        if pointer == NOT_MAPPED or value == NOT_MAPPED:
            return -EFAULT
        result = request(domain, pointer, value)
        if result != 0:
            return result
        paging.work += REQUEST_WORK
        at += REQUEST_SIZE
        count -= 1
    return 0


def request(domain, pointer, value):
    command = pointer & 3
    pointer &= ~3
    if command == NORMAL or command == UNCHECKED and domain.privileged:         # which may map frames of others, and is checked all the same
        machine = domain.linear.machine(pointer, False)
        if machine == NOT_MAPPED:
            return -EFAULT
        if domain.paging.write_entry(machine, value):
            return 0
        return -EINVAL
    if command == MACHINE_TO_PHYSICAL:
        frame = pointer // FRAME
        if not domain.paging.owns(frame):
            domain.refusals.because(FOREIGN)
            return -EINVAL
        domain.paging.table.set_page(frame, value)
        return 0
    if command == UNCHECKED:
        domain.refusals.because('an unchecked update, which is the privileged domain\'s')
        return -EPERM
    assert command == EXTENDED
    if extended(domain, value & 0xff, pointer, value >> 8):
        return 0
    return -EINVAL


def extended(domain, command, pointer, value):
    """False if it is refused."""
    paging = domain.paging
    frame = pointer // FRAME
    if command == PIN_L1:
        return paging.pin(frame, L1)
    if command == PIN_L2:
        return paging.pin(frame, L2)
    if command == UNPIN:
        return paging.unpin(frame)
    if command == NEW_BASE:
        if not paging.set_base(frame):
            return False
        domain.tables.forget_ldt()
        return True
    if command == FLUSH_TLB:
        paging.flush()
        domain.tables.forget_ldt()
        return True
    if command == INVALIDATE:
        paging.invalidate(pointer)
        return True
    if command == SET_LDT:
        if not domain.tables.set_ldt(pointer, value):
            return False
        domain.descriptors_changed = True
        return True
    return domain.refusals.because('a request that is none, or for page tables of three or four levels')


def update_va_mapping(domain):
    """One entry of a page table that is in use, by the number of the page it maps."""
    page = domain.arguments[0]
    value = domain.arguments[1]
    flags = domain.arguments[2]
    if page >= HYPERVISOR // FRAME:
        domain.refusals.because('a mapping at or above the hypervisor')
        return -EINVAL
    paging = domain.paging
    at = domain.linear.table_entry(page * FRAME)
    if at == NOT_MAPPED:
        domain.refusals.because('a mapping where there is no page table')
        return -EINVAL
    if not paging.write_l1_entry(at, value):
        return -EINVAL
    if flags & UPDATE_FLUSH:
        paging.flush()
    elif flags & UPDATE_INVALIDATE:
        paging.invalidate(page * FRAME)
    return 0
