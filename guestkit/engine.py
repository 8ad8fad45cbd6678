"""libhyper.so by way of cffi: where it is found, its functions (hyper/api.py), and the lock around them."""
import os
import pathlib
import threading

import cffi

from guestkit.errors import BadInput, EngineError

NAME = 'libhyper.so'
VARIABLE = 'HYPER_LIBRARY'
PACKAGE = pathlib.Path(__file__).resolve().parent

DECLARATIONS = '''
typedef void (*console_t)(int domain, char *bytes, int size);
void rpython_startup_code(void);
int hyper_open(char *arguments);
int hyper_start(char *arguments);
int hyper_create(int handle, char *arguments);
int hyper_control(int handle, int domain, char *verb);
int hyper_schedule(int handle, int domain, char *arguments);
int hyper_save(int handle, int domain, int what, int page, char *buffer);
char *hyper_saved_head(int handle, int domain);
char *hyper_saved_state(int handle, int domain);
int hyper_restore(int handle, char *arguments, char *interface, char *frames);
int hyper_restore_page(int handle, int domain, int page, int kind, char *buffer);
int hyper_restored(int handle, int domain, char *state);
void hyper_close(int handle);
int hyper_run(int handle, long max_instructions, long until_address, double seconds);
int hyper_step(int handle);
int hyper_interrupt(int handle);
int hyper_status(int handle);
long hyper_get(int handle, int domain, char *name);
int hyper_set(int handle, int domain, char *name, long value);
int hyper_read(int handle, int domain, int space, long address, char *buffer, int size);
int hyper_write(int handle, int domain, int space, long address, char *buffer, int size);
char *hyper_report(int handle);
char *hyper_screen(int handle, int domain);
int hyper_press(int handle, int domain, char *bytes, int size);
int hyper_mouse(int handle, int domain, int right, int down, int buttons);
int hyper_window(int handle, int domain, int columns, int lines);
char *hyper_summary(int handle);
void hyper_console(int handle, console_t out);
int hyper_input(int handle, int domain, char *bytes, int size);
int hyper_attach(int handle, int descriptor, int interactive);
char *hyper_models(void);
char *hyper_error(void);
'''


def library_path():
    """$HYPER_LIBRARY, or the library in this package, or in bin/ of the source tree; raises EngineError if there is none."""
    named = os.environ.get(VARIABLE)
    if named:
        if not os.path.exists(named):
            raise EngineError(f'{VARIABLE}={named}: no such file; run make, or set it to a {NAME}')
        return pathlib.Path(named)
    places = [PACKAGE / NAME, PACKAGE.parent / 'bin' / NAME]
    for place in places:
        if place.exists():
            return place
    raise EngineError(f'{NAME} is neither in {places[0].parent} nor in {places[1].parent}; run make, or set {VARIABLE} to its path')


class Engine:
    """The loaded library. One thread at a time may be in it: each call takes `lock`, only `interrupt` does not."""

    def __init__(self, path):
        self.path = path
        self.ffi = cffi.FFI()
        self.ffi.cdef(DECLARATIONS)
        try:
            self.library = self.ffi.dlopen(str(path))
            self.library.rpython_startup_code()
            self.library.hyper_models
        except (OSError, AttributeError) as error:
            raise EngineError(f'{path}: not a library that this guestkit can use ({error}); run make again') from None
        self.lock = threading.RLock()
        self.interrupt = self.library.hyper_interrupt

    def call(self, name, *arguments):
        """The result of a function of the library; BadInput with the library's own words if it is negative."""
        with self.lock:
            result = getattr(self.library, name)(*arguments)
            if isinstance(result, int) and result < 0:
                raise BadInput(self.ffi.string(self.library.hyper_error()).decode('utf-8', 'replace'))
            return result

    def text(self, name, *arguments):
        """The string that a function of the library returns."""
        with self.lock:
            result = getattr(self.library, name)(*arguments)
            if not result:
                raise BadInput(self.ffi.string(self.library.hyper_error()).decode('utf-8', 'replace'))
            return self.ffi.string(result).decode('latin-1')


def models():
    """The processor models that `cpu` takes: a dictionary of name and description, the default one first."""
    return dict(line.split(None, 1) for line in engine().text('hyper_models').splitlines())


_engine = None
_loading = threading.Lock()


def engine():
    """The one Engine of this process."""
    global _engine
    with _loading:
        if _engine is None:
            _engine = Engine(library_path())
        return _engine
