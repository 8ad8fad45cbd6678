"""multicall: a list of hypercalls in one. Each leaves its result in its entry, in the place of the sixth argument."""
from rpython.rlib.objectmodel import specialize

from hyper.vmm.para.layout import CALL_ARGUMENTS, CALL_RESULT, CALL_SIZE, CONTINUE, EFAULT, EINVAL, M32, MOST_WORK
from hyper.vmm.para.linear_memory import NOT_MAPPED


def multicall(domain):
    return each(domain, call)


@specialize.arg(1)
def each(domain, call):
    """Does the entries of a list by `call`, a function with the result of `call` below."""
    a = domain.arguments
    at = a[0]
    count = a[1]
    linear = domain.linear
    if domain.in_multicall:
        return -EINVAL
    if not linear.contains(at, count * CALL_SIZE):
        return -EFAULT
    result = 0
    while count > 0 and domain.alive and result == 0:
        if domain.paging.work > MOST_WORK:
            result = CONTINUE
        else:
            result = call(domain, at)
            if result == 0:
                at += CALL_SIZE
                count -= 1
    if result == CONTINUE:
        a[0] = at
        a[1] = count
    return result


def call(domain, at):
    """One entry. 0 when it is done, whatever its result; CONTINUE if it is not; -EFAULT if it cannot be read, or was done and cannot be told so."""
    linear = domain.linear
    a = domain.arguments
    number = linear.read32(at)
    if number == NOT_MAPPED:
        return -EFAULT
    for k in range(CALL_ARGUMENTS):
        value = linear.read32(at + 4 + 4 * k)
        if value == NOT_MAPPED:
            return -EFAULT
        a[k] = value
    domain.in_multicall = True
    result = domain.call(number)
    domain.in_multicall = False
    domain.paging.work += 1
    if result != CONTINUE:
        return 0 if linear.write32(at + CALL_RESULT, result & M32) else -EFAULT
    if linear.write32(at + 4, a[0]) and linear.write32(at + 8, a[1]):
        return CONTINUE
    return -EFAULT
