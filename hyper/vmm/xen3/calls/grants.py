"""grant_table_op: a list of operations, each with a status of its own."""
from hyper.vmm.para.frame_table import WRITABLE
from hyper.vmm.para.layout import CONTINUE, EFAULT, EINVAL, ENOSYS, FRAME, MOST_WORK
from hyper.vmm.para.linear_memory import NOT_MAPPED
from hyper.vmm.xen3.grants import GRANT_FRAMES, NOT_GRANTED
from hyper.vmm.xen3.layout import SELF

SETUP_TABLE, DUMP_TABLE, COPY, QUERY_SIZE, SET_VERSION, GET_VERSION = 2, 3, 5, 6, 8, 10
SIZES = [0, 0, 16, 4, 0, 24, 16, 0, 4, 0, 8]    # of the structures; 0 for operations that are not here
OKAY, ERROR, BAD_DOMAIN, BAD_REFERENCE, DENIED, BAD_COPY = 0, -1, -2, -3, -8, -10
SOURCE_IS_GRANTED, TARGET_IS_GRANTED = 1, 2     # flags of a copy
COMMAND, COMMAND_BITS = 0xfff, 12
MOST_COUNT = 1 << 20
LOW = 0xffff
BAD_PAGE = -1


def grant_table_op(domain):
    """The command's number, the list, how many. What is interrupted goes on with how many were done in the high bits of the first argument."""
    a = domain.arguments
    command = a[0] & COMMAND
    done = a[0] >> COMMAND_BITS
    at = a[1]
    count = a[2]
    if command >= len(SIZES) or SIZES[command] == 0:
        return -ENOSYS
    size = SIZES[command]
    linear = domain.linear
    if count > MOST_COUNT or not linear.contains(at, count * size):
        return -EFAULT
    if command == SET_VERSION or command == GET_VERSION:
        return version(domain, command, at)
    while done < count:
        if domain.paging.work > MOST_WORK:
            a[0] = command | done << COMMAND_BITS
            return CONTINUE
        if not operate(domain, command, at + done * size):
            return -EFAULT
        domain.paging.work += size
        done += 1
    return 0


def version(domain, command, at):
    """There is version 1."""
    linear = domain.linear
    if command == GET_VERSION:
        number = linear.read32(at)
        if number == NOT_MAPPED:
            return -EFAULT
        if not is_self(domain, number & LOW):
            return -EINVAL
        return 0 if linear.write32(at + 4, 1) else -EFAULT
    wanted = linear.read32(at)
    if wanted == NOT_MAPPED or not linear.write32(at, 1):
        return -EFAULT
    return 0 if wanted == 1 else -EINVAL


def is_self(domain, number):
    return number == SELF or number == domain.identity


def operate(domain, command, at):
    """False if the structure cannot be read or written."""
    linear = domain.linear
    first = linear.read32(at)
    if first == NOT_MAPPED:
        return False
    mine = is_self(domain, first & LOW)
    if command == DUMP_TABLE:
        return linear.write32(at, first & LOW | ((OKAY if mine else BAD_DOMAIN) & LOW) << 16)
    if command == QUERY_SIZE:
        return (linear.write32(at + 4, GRANT_FRAMES) and linear.write32(at + 8, GRANT_FRAMES) and
                linear.write32(at + 12, (OKAY if mine else BAD_DOMAIN) & LOW))
    if command == SETUP_TABLE:
        status = OKAY
        count = linear.read32(at + 4)
        frames = linear.read32(at + 12)
        if count == NOT_MAPPED or frames == NOT_MAPPED:
            return False
        if not mine:
            status = BAD_DOMAIN
        elif count > GRANT_FRAMES:
            status = ERROR
        else:
            for k in range(count):
                if not linear.write32(frames + 4 * k, domain.grants.frames[k]):
                    return False
        return linear.write32(at + 8, status & LOW)
    return copy(domain, at)


# -- copies between pages of which either may be another domain's that has granted it

class Side(object):
    """The source or the target: `page` is a machine address, BAD_PAGE if it cannot be used; then `status` says why."""

    def __init__(self, domain, reference, number, granted, write):
        self.reference = reference
        self.granted = granted
        self.write = write
        self.page = BAD_PAGE
        self.status = OKAY
        self.owner = domain
        if not granted:
            if not is_self(domain, number):
                self.status = DENIED
                return
            if write:
                taken = domain.paging.get_typed(reference, WRITABLE)
            else:
                taken = domain.paging.get(reference)
            if taken:
                self.page = reference * FRAME
            else:
                self.status = BAD_REFERENCE
            return
        other = domain.neighbours.find(domain.identity if number == SELF else number)
        if other is None:
            self.status = BAD_DOMAIN
            return
        self.owner = other
        page = other.grants.take(reference, domain.identity, write)
        if page == NOT_GRANTED:
            self.status = BAD_REFERENCE
        else:
            self.page = page

    def give_back(self):
        if self.page == BAD_PAGE:
            return
        if self.granted:
            self.owner.grants.give_back(self.reference, self.page, self.write)
        elif self.write:
            self.owner.paging.put_typed(self.page // FRAME)
        else:
            self.owner.paging.put(self.page // FRAME)


def copy(domain, at):
    """{u32 reference or frame, u16 domain, u16 offset} of the source and of the target, u16 length, u16 flags, s16 status."""
    linear = domain.linear
    words = [0] * 6
    for k in range(6):
        words[k] = linear.read32(at + 4 * k)
        if words[k] == NOT_MAPPED:
            return False
    length = words[4] & LOW
    flags = words[4] >> 16
    source_offset = words[1] >> 16
    target_offset = words[3] >> 16
    status = BAD_COPY
    if source_offset + length <= FRAME and target_offset + length <= FRAME:
        source = Side(domain, words[0], words[1] & LOW, flags & SOURCE_IS_GRANTED != 0, False)
        target = Side(domain, words[2], words[3] & LOW, flags & TARGET_IS_GRANTED != 0, True)
        if source.page == BAD_PAGE:
            status = source.status
        elif target.page == BAD_PAGE:
            status = target.status
        else:
            memory = domain.paging.memory
            memory.write_bytes(target.page + target_offset, memory.read_bytes(source.page + source_offset, length))
            domain.paging.work += length
            status = OKAY
        source.give_back()
        target.give_back()
    return linear.write32(at + 20, status & LOW)
