"""The little that is asked of the host beyond files: whether input waits, Ctrl-C, the terminal's mode.

In C, because a request to stop must be allowed in a signal handler and from another thread. Untranslated, Ctrl-C is
Python's own and there is no raw terminal.
"""

from rpython.rlib.objectmodel import we_are_translated
from rpython.rtyper.lltypesystem import rffi, lltype
from rpython.translator.tool.cbuild import ExternalCompilationInfo

NONE = -1                       # a descriptor on which nothing arrives
REQUESTS = 256                  # runs that can be told apart; a request to a further one reaches its namesake too

SOURCE = """
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

static volatile sig_atomic_t requested[%(requests)d];
static struct termios saved;
static int raw = 0;

__attribute__((visibility("default"))) int hyper_interrupt(int run)
{
    if (run < 0)
        return -1;
    requested[run %% %(requests)d] = 1;
    return 0;
}

long hyper_host_requested(long run)
{
    return requested[run %% %(requests)d];
}

void hyper_host_forget(long run)
{
    requested[run %% %(requests)d] = 0;
}

static void on_signal(int number)
{
    requested[0] = 1;
    signal(number, SIG_DFL);    /* a second one ends the process */
}

void hyper_host_catch_signals(void)
{
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
}

long hyper_host_readable(long descriptor, long milliseconds)
{
    struct pollfd entry = { .fd = descriptor, .events = POLLIN };
    return poll(&entry, 1, milliseconds) > 0;
}

void hyper_host_cook_terminal(void)
{
    if (raw)
        tcsetattr(0, TCSANOW, &saved);
    raw = 0;
}

void hyper_host_raw_terminal(void)
{
    struct termios mode;
    if (raw || tcgetattr(0, &saved) < 0)
        return;
    mode = saved;
    mode.c_lflag &= ~(ICANON | ECHO);
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
    raw = tcsetattr(0, TCSANOW, &mode) == 0;
}
""" % {'requests': REQUESTS}

PROTOTYPES = """
int hyper_interrupt(int run);
long hyper_host_requested(long run);
void hyper_host_forget(long run);
void hyper_host_catch_signals(void);
long hyper_host_readable(long descriptor, long milliseconds);
void hyper_host_cook_terminal(void);
void hyper_host_raw_terminal(void);
"""

library = ExternalCompilationInfo(separate_module_sources=[SOURCE], post_include_bits=[PROTOTYPES])


def external(name, arguments, result):
    return rffi.llexternal(name, arguments, result, compilation_info=library, releasegil=False)

_requested = external('hyper_host_requested', [lltype.Signed], lltype.Signed)
_forget = external('hyper_host_forget', [lltype.Signed], lltype.Void)
_catch_signals = external('hyper_host_catch_signals', [], lltype.Void)
_readable = external('hyper_host_readable', [lltype.Signed, lltype.Signed], lltype.Signed)
_cook_terminal = external('hyper_host_cook_terminal', [], lltype.Void)
_raw_terminal = external('hyper_host_raw_terminal', [], lltype.Void)


def stop_requested(run):
    """Whether hyper_interrupt(run) was called, or a signal came (run 0)."""
    if we_are_translated():
        return _requested(run) != 0
    return False


def forget_request(run):
    if we_are_translated():
        _forget(run)


def catch_signals():
    """From now on SIGINT and SIGTERM are a request to stop run 0."""
    if we_are_translated():
        _catch_signals()


def readable(descriptor, milliseconds):
    """Whether a read would not wait; waits so long for that."""
    if we_are_translated():
        return _readable(descriptor, milliseconds) != 0     # poll(2) passes over a negative descriptor
    import select
    descriptors = [] if descriptor < 0 else [descriptor]
    return len(select.select(descriptors, [], [], milliseconds / 1000.0)[0]) > 0


def raw_terminal():
    """Keys come one by one and are not echoed; Ctrl-C still interrupts."""
    if we_are_translated():
        _raw_terminal()


def cook_terminal():
    if we_are_translated():
        _cook_terminal()
