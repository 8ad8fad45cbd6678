"""multicall: a list of hypercalls in one, {u32 number, u32 result, 6 arguments}."""
from hyper.vmm.para.calls.multicall import each
from hyper.vmm.para.layout import CALL_ARGUMENTS, CONTINUE, EFAULT, ELSEWHERE, M32
from hyper.vmm.para.linear_memory import NOT_MAPPED

NUMBER, RESULT, ARGUMENTS = 0, 4, 8
HAS_ARGUMENTS = 6


def multicall(domain):
    return each(domain, call)


def call(domain, at):
    """One entry. 0 when it is done, whatever its result; CONTINUE if it is not, ELSEWHERE after an iret; -EFAULT if it cannot be read."""
    linear = domain.linear
    a = domain.arguments
    assert HAS_ARGUMENTS <= CALL_ARGUMENTS
    number = linear.read32(at + NUMBER)
    if number == NOT_MAPPED:
        return -EFAULT
    for k in range(HAS_ARGUMENTS):
        value = linear.read32(at + ARGUMENTS + 4 * k)
        if value == NOT_MAPPED:
            return -EFAULT
        a[k] = value
    domain.in_multicall = True
    result = domain.call(number)
    domain.in_multicall = False
    domain.paging.work += 1
    if result == ELSEWHERE:
        return result
    if result != CONTINUE:
        if linear.write32(at + RESULT, result & M32):
            return 0
        return -EFAULT
    if linear.write32(at + ARGUMENTS, a[0]) and linear.write32(at + ARGUMENTS + 4, a[1]):
        return CONTINUE
    return -EFAULT
