"""What RPython translates: the command line, and with it the C interface."""

from hyper import api           # its functions are exported because it is imported
from hyper.main import entry_point


def target(driver, args):
    return entry_point, None


def jitpolicy(driver):
    from rpython.jit.codewriter.policy import JitPolicy
    return JitPolicy()
