"""What RPython translates: the command line, and with it the C interface."""

from rpython.jit.codewriter.policy import JitPolicy

from hyper import api           # its functions are exported because it is imported
from hyper.main import entry_point

# The modules of hyper that a trace may contain: the engine's loop and what an instruction does. All others are slow paths, which compiled code calls;
# none of them takes the CPU, which is the JIT's virtualizable.
TRACED = ['hyper.board.native', 'hyper.board.raw', 'hyper.cpu.block', 'hyper.cpu.engine', 'hyper.cpu.faults', 'hyper.cpu.flags', 'hyper.cpu.fpu',
          'hyper.cpu.mode', 'hyper.cpu.state']
TRACED_PACKAGE = 'hyper.cpu.operations.'


class Policy(JitPolicy):
    def look_inside_function(self, function):
        module = function.__module__ or ''
        if module.startswith('hyper.') and module not in TRACED and not module.startswith(TRACED_PACKAGE):
            return False
        return JitPolicy.look_inside_function(self, function)


def target(driver, args):
    return entry_point, None


def jitpolicy(driver):
    return Policy()
