"""The C interface of libhyper.so. Handles are small integers; what fails returns a negative number, and hyper_error()
says why. No exception leaves here. hyper_interrupt() is in hyper/host.py, in C.

Strings that are returned stay valid until the same function is called again. One thread at a time may be in here, except
in hyper_interrupt().
"""

import os

from rpython.rlib import jit, rgil
from rpython.rlib.entrypoint import entrypoint_highlevel
from rpython.rlib.objectmodel import we_are_translated
from rpython.rtyper.lltypesystem import lltype, rffi

from hyper import host
from hyper.board.machine import World
from hyper.board.uart import CharSink
from hyper.cpu import models
from hyper.errors import UserError
from hyper.options import parse, parse_machine
from hyper.session import Session, Sinks
from hyper.vmm.frames import FRAME
from hyper.vmm.para.saved import number_of

FAILED = -1
MOST_BUFFERED = 4096
MOST_BYTES = 1 << 30            # of one read or write

CONSOLE = lltype.Ptr(lltype.FuncType([rffi.INT, rffi.CCHARP, rffi.INT], lltype.Void))


class LastString(object):
    """Keeps the last returned string for C."""

    def __init__(self):
        self.held = lltype.nullptr(rffi.CCHARP.TO)

    def hold(self, text):
        if self.held:
            rffi.free_charp(self.held)
        self.held = rffi.str2charp(text)
        return self.held


class State(object):
    def __init__(self):
        self.runs = []              # Run or None, by handle
        self.error = ''

state = State()
last_error = LastString()
last_report = LastString()
last_summary = LastString()
last_models = LastString()
last_state = LastString()
last_screen = LastString()


@jit.dont_look_inside
def call_out(out, number, raw, size):
    """Calls the console callback without RPython's lock, which every function of this interface takes."""
    if we_are_translated():
        rgil.release()
    out(number, raw, size)
    if we_are_translated():
        rgil.acquire()


class ConsoleSink(CharSink):
    """Collects a domain's output and hands it to the callback by lines."""

    def __init__(self, number):
        self.number = number
        self.out = lltype.nullptr(CONSOLE.TO)
        self.buffer = []

    def write_byte(self, b):
        self.buffer.append(chr(b))
        if b == 10 or len(self.buffer) >= MOST_BUFFERED:
            self.flush()

    def flush(self):
        if len(self.buffer) == 0:
            return
        text = ''.join(self.buffer)
        self.buffer = []
        if self.out:
            raw = rffi.str2charp(text)
            call_out(self.out, rffi.cast(rffi.INT, self.number), raw, rffi.cast(rffi.INT, len(text)))
            rffi.free_charp(raw)


class LibraryWorld(World):
    """Input comes by hyper_input(), between runs or from the console callback, or from a descriptor."""

    def __init__(self, handle):
        self.handle = handle
        self.sinks = []
        self.out = lltype.nullptr(CONSOLE.TO)
        self.descriptor = -1                # negative: none, or it has ended
        self.closed = False
        self.is_interactive = False

    def attach(self, descriptor, interactive):
        self.descriptor = descriptor
        self.closed = False
        self.is_interactive = interactive

    def read_input(self):
        if self.descriptor < 0 or not host.readable(self.descriptor, 0):
            return ''
        try:
            text = os.read(self.descriptor, MOST_BUFFERED)
        except OSError:
            text = ''
        if text == '':
            self.attach(-1, False)
            self.closed = True
        return text

    def input_closed(self):
        return self.closed

    def input_by_caller(self):
        return self.descriptor < 0

    def interactive(self):
        return self.is_interactive

    def wait_for_input(self, milliseconds):
        host.readable(self.descriptor, milliseconds)

    def interrupted(self):
        return host.stop_requested(self.handle)

    def flush(self):
        for sink in self.sinks:
            sink.flush()


class LibrarySinks(Sinks):
    def __init__(self, world):
        self.world = world

    def sink(self, number, name):
        sink = ConsoleSink(number)
        sink.out = self.world.out
        self.world.sinks.append(sink)
        return sink

    def forget(self, number):
        sinks = self.world.sinks
        for k in range(len(sinks)):
            if sinks[k].number == number:
                sinks[k].flush()
                del sinks[k]
                return


class Run(object):
    def __init__(self, session, world):
        self.session = session
        self.world = world


def fail(text):
    state.error = text
    return FAILED


def find(handle):
    """The Run of a handle, None (with the error set) if there is none."""
    handle = rffi.cast(lltype.Signed, handle)
    if 0 <= handle < len(state.runs):
        run = state.runs[handle]
        if run is not None:
            return run
    state.error = "no such handle: %d" % handle
    return None


def find_domain(handle, domain):
    run = find(handle)
    if run is None:
        return None
    domain = rffi.cast(lltype.Signed, domain)
    if not run.session.has_domain(domain):
        state.error = "no such domain: %d" % domain
        return None
    return run


def free_handle():
    for i in range(len(state.runs)):
        if state.runs[i] is None:
            return i
    state.runs.append(None)
    return len(state.runs) - 1


def words_of(arguments):
    """The words that lines give."""
    words = []
    for word in arguments.split('\n'):
        words.append(word)
    while len(words) > 0 and words[len(words) - 1] == '':
        words.pop()
    return words


def do_open(arguments):
    words = words_of(arguments)
    if len(words) > 0 and words[0] == 'run':
        words = words[1:]
    return open_session(parse(words))


def open_session(options):
    handle = free_handle()
    host.forget_request(handle)
    world = LibraryWorld(handle)
    session = Session(options, world, LibrarySinks(world))
    state.runs[handle] = Run(session, world)
    return handle


@entrypoint_highlevel('main', [rffi.CCHARP], c_name='hyper_open')
def hyper_open(arguments):
    """A handle for what newline-separated words of the `run` command line describe, loaded and ready."""
    try:
        result = do_open(rffi.charp2str(arguments))
    except UserError as error:
        result = fail(error.text)
    except MemoryError:
        result = fail("the host has not enough memory; give less --memory")
    except Exception:
        result = fail("internal error in hyper_open")
    return rffi.cast(rffi.INT, result)


@entrypoint_highlevel('main', [rffi.CCHARP], c_name='hyper_start')
def hyper_start(arguments):
    """A handle for a hypervisor without domains; the words are --machine-memory and those for the whole of a run."""
    try:
        result = open_session(parse_machine(words_of(rffi.charp2str(arguments))))
    except UserError as error:
        result = fail(error.text)
    except MemoryError:
        result = fail("the host has not enough memory; give less --machine-memory")
    except Exception:
        result = fail("internal error in hyper_start")
    return rffi.cast(rffi.INT, result)


def do_create(handle, arguments):
    run = find(handle)
    if run is None:
        return FAILED
    return run.session.create(words_of(arguments))


@entrypoint_highlevel('main', [rffi.INT, rffi.CCHARP], c_name='hyper_create')
def hyper_create(handle, arguments):
    """Makes a domain of a hypervisor that hyper_start has made, from the words of one --domain; its number."""
    try:
        result = do_create(handle, rffi.charp2str(arguments))
    except UserError as error:
        result = fail(error.text)
    except MemoryError:
        result = fail("the host has not enough memory; give less --memory")
    except Exception:
        result = fail("internal error in hyper_create")
    return rffi.cast(rffi.INT, result)


def do_control(handle, domain, verb):
    run = find_domain(handle, domain)
    if run is None:
        return FAILED
    run.session.control(rffi.cast(lltype.Signed, domain), verb)
    return 0


@entrypoint_highlevel('main', [rffi.INT, rffi.INT, rffi.CCHARP], c_name='hyper_control')
def hyper_control(handle, domain, verb):
    """Does to a domain what the verb says (Session.control); 0."""
    try:
        result = do_control(handle, domain, rffi.charp2str(verb))
    except UserError as error:
        result = fail(error.text)
    except Exception:
        result = fail("internal error in hyper_control")
    return rffi.cast(rffi.INT, result)


def do_schedule(handle, domain, arguments):
    run = find(handle)
    if run is None:
        return FAILED
    run.session.schedule(rffi.cast(lltype.Signed, domain), words_of(arguments))
    return 0


@entrypoint_highlevel('main', [rffi.INT, rffi.INT, rffi.CCHARP], c_name='hyper_schedule')
def hyper_schedule(handle, domain, arguments):
    """Sets parameters of the scheduling, see Session.schedule; 0."""
    try:
        result = do_schedule(handle, domain, rffi.charp2str(arguments))
    except UserError as error:
        result = fail(error.text)
    except Exception:
        result = fail("internal error in hyper_schedule")
    return rffi.cast(rffi.INT, result)


def do_save(handle, domain, what, page, buffer):
    """0: begins, the result is the number of pages. 1: the contents of a page, the result is its type. 2: which pages were written to since the last
    time, a character each. 3: ends. 4: the types of all pages, a digit each."""
    run = find_domain(handle, domain)
    if run is None:
        return FAILED
    number = rffi.cast(lltype.Signed, domain)
    session = run.session
    if what == 0:
        return session.begin_saving(number)
    if what == 3:
        session.end_saving(number)
        return 0
    saving = session.saving(number)
    result = 0
    if what == 1:
        if page < 0 or page >= len(saving.frames):
            return fail("no such page: %d" % page)
        text = saving.page(page)
        result = saving.kind(page)
    elif what == 2:
        text = saving.dirty()
    else:
        text = saving.kinds()
    for i in range(len(text)):
        buffer[i] = text[i]
    return result


@entrypoint_highlevel('main', [rffi.INT, rffi.INT, rffi.INT, rffi.INT, rffi.CCHARP], c_name='hyper_save')
def hyper_save(handle, domain, what, page, buffer):
    """A step of saving a domain, see do_save."""
    try:
        result = do_save(handle, domain, rffi.cast(lltype.Signed, what), rffi.cast(lltype.Signed, page), buffer)
    except UserError as error:
        result = fail(error.text)
    except Exception:
        result = fail("internal error in hyper_save")
    return rffi.cast(rffi.INT, result)


@entrypoint_highlevel('main', [rffi.INT, rffi.INT], c_name='hyper_saved_state')
def hyper_saved_state(handle, domain):
    """The state of a domain that is being saved and does not run, but for its pages, as lines; NULL if that fails."""
    try:
        run = find_domain(handle, domain)
        if run is not None:
            return last_state.hold(run.session.saving(rffi.cast(lltype.Signed, domain)).state())
    except UserError as error:
        fail(error.text)
    except Exception:
        fail("internal error in hyper_saved_state")
    return lltype.nullptr(rffi.CCHARP.TO)


@entrypoint_highlevel('main', [rffi.INT, rffi.INT], c_name='hyper_saved_head')
def hyper_saved_head(handle, domain):
    """What hyper_restore must be told of a domain that is being saved: a line with the version of its interface, one with its frames; NULL if that fails."""
    try:
        run = find_domain(handle, domain)
        if run is not None:
            return last_state.hold(run.session.saving(rffi.cast(lltype.Signed, domain)).head())
    except UserError as error:
        fail(error.text)
    except Exception:
        fail("internal error in hyper_saved_head")
    return lltype.nullptr(rffi.CCHARP.TO)


def do_restore(handle, arguments, interface, frames):
    run = find(handle)
    if run is None:
        return FAILED
    numbers = []
    for word in frames.split(' '):
        numbers.append(number_of(word))
    return run.session.begin_restoring(words_of(arguments), interface, numbers)


@entrypoint_highlevel('main', [rffi.INT, rffi.CCHARP, rffi.CCHARP, rffi.CCHARP], c_name='hyper_restore')
def hyper_restore(handle, arguments, interface, frames):
    """Makes a domain that is to get what was saved: words as of hyper_create, the version of its interface, the frames that it had. Its number."""
    try:
        result = do_restore(handle, rffi.charp2str(arguments), rffi.charp2str(interface), rffi.charp2str(frames))
    except UserError as error:
        result = fail(error.text)
    except MemoryError:
        result = fail("the host has not enough memory")
    except Exception:
        result = fail("internal error in hyper_restore")
    return rffi.cast(rffi.INT, result)


@entrypoint_highlevel('main', [rffi.INT, rffi.INT, rffi.INT, rffi.INT, rffi.CCHARP], c_name='hyper_restore_page')
def hyper_restore_page(handle, domain, page, kind, buffer):
    """Gives it a page of 4096 bytes, with its type; 0."""
    try:
        run = find_domain(handle, domain)
        result = FAILED
        if run is not None:
            run.session.restoring(rffi.cast(lltype.Signed, domain)).put(rffi.cast(lltype.Signed, page), rffi.cast(lltype.Signed, kind),
                                                                        rffi.charpsize2str(buffer, FRAME))
            result = 0
    except UserError as error:
        result = fail(error.text)
    except Exception:
        result = fail("internal error in hyper_restore_page")
    return rffi.cast(rffi.INT, result)


@entrypoint_highlevel('main', [rffi.INT, rffi.INT, rffi.CCHARP], c_name='hyper_restored')
def hyper_restored(handle, domain, state):
    """Gives it its state: it is complete, and paused. 0; if that fails the domain is gone."""
    try:
        run = find_domain(handle, domain)
        result = FAILED
        if run is not None:
            run.session.finish_restoring(rffi.cast(lltype.Signed, domain), rffi.charp2str(state))
            result = 0
    except UserError as error:
        result = fail(error.text)
    except Exception:
        result = fail("internal error in hyper_restored")
    return rffi.cast(rffi.INT, result)


@entrypoint_highlevel('main', [rffi.INT], c_name='hyper_close')
def hyper_close(handle):
    """Frees all that belongs to the handle."""
    try:
        run = find(handle)
        if run is not None:
            state.runs[rffi.cast(lltype.Signed, handle)] = None
            run.session.close()
    except Exception:
        fail("internal error in hyper_close")


def do_run(handle, max_instructions, until_address, seconds):
    run = find(handle)
    if run is None:
        return FAILED
    result = run.session.run(max_instructions, until_address, seconds)
    run.world.flush()
    host.forget_request(rffi.cast(lltype.Signed, handle))
    return result


@entrypoint_highlevel('main', [rffi.INT, rffi.LONG, rffi.LONG, rffi.DOUBLE], c_name='hyper_run')
def hyper_run(handle, max_instructions, until_address, seconds):
    """Runs; returns the stop reason (hyper.board.machine)."""
    try:
        result = do_run(handle, max_instructions, until_address, seconds)
    except MemoryError:
        result = fail("the host has not enough memory")
    except Exception:
        result = fail("internal error in hyper_run")
    return rffi.cast(rffi.INT, result)


@entrypoint_highlevel('main', [rffi.INT], c_name='hyper_step')
def hyper_step(handle):
    """Runs one instruction; returns the stop reason."""
    try:
        result = do_run(handle, 1, -1, -1.0)
    except Exception:
        result = fail("internal error in hyper_step")
    return rffi.cast(rffi.INT, result)


@entrypoint_highlevel('main', [rffi.INT], c_name='hyper_status')
def hyper_status(handle):
    """The exit status that the command line would give."""
    try:
        run = find(handle)
        result = FAILED
        if run is not None:
            result = run.session.status()
    except Exception:
        result = fail("internal error in hyper_status")
    return rffi.cast(rffi.INT, result)


@entrypoint_highlevel('main', [rffi.INT, rffi.INT, rffi.CCHARP], c_name='hyper_get')
def hyper_get(handle, domain, name):
    """A register by its name in the manual (hyper.registers)."""
    try:
        run = find_domain(handle, domain)
        result = FAILED
        if run is not None:
            text = rffi.charp2str(name)
            result = run.session.get(rffi.cast(lltype.Signed, domain), text)
            if result < 0:
                result = fail("no such register: " + text)
    except Exception:
        result = fail("internal error in hyper_get")
    return rffi.cast(rffi.LONG, result)


@entrypoint_highlevel('main', [rffi.INT, rffi.INT, rffi.CCHARP, rffi.LONG], c_name='hyper_set')
def hyper_set(handle, domain, name, value):
    """Sets a register; 0, or negative if it is none or cannot be set."""
    try:
        run = find_domain(handle, domain)
        result = FAILED
        if run is not None:
            text = rffi.charp2str(name)
            result = 0
            if not run.session.set(rffi.cast(lltype.Signed, domain), text, value):
                result = fail("no such register, or not to be set: " + text)
    except Exception:
        result = fail("internal error in hyper_set")
    return rffi.cast(rffi.INT, result)


@entrypoint_highlevel('main', [rffi.INT, rffi.INT, rffi.INT, rffi.LONG, rffi.CCHARP, rffi.INT], c_name='hyper_read')
def hyper_read(handle, domain, space, address, buffer, size):
    """Copies memory to the buffer (space 0 guest-physical, 1 linear, 2 of the display adapter); returns how many bytes there were."""
    try:
        run = find_domain(handle, domain)
        count = rffi.cast(lltype.Signed, size)
        result = FAILED
        if run is not None:
            if count < 0 or count > MOST_BYTES:
                result = fail("a read of %d bytes" % count)
            else:
                data = run.session.read_memory(rffi.cast(lltype.Signed, domain), rffi.cast(lltype.Signed, space),
                                               address, count)
                for i in range(len(data)):
                    buffer[i] = data[i]
                result = len(data)
    except Exception:
        result = fail("internal error in hyper_read")
    return rffi.cast(rffi.INT, result)


@entrypoint_highlevel('main', [rffi.INT, rffi.INT, rffi.INT, rffi.LONG, rffi.CCHARP, rffi.INT], c_name='hyper_write')
def hyper_write(handle, domain, space, address, buffer, size):
    """Copies the buffer to memory; returns how many bytes there was room for."""
    try:
        run = find_domain(handle, domain)
        count = rffi.cast(lltype.Signed, size)
        result = FAILED
        if run is not None:
            if count < 0 or count > MOST_BYTES:
                result = fail("a write of %d bytes" % count)
            else:
                result = run.session.write_memory(rffi.cast(lltype.Signed, domain), rffi.cast(lltype.Signed, space),
                                                  address, rffi.charpsize2str(buffer, count))
    except Exception:
        result = fail("internal error in hyper_write")
    return rffi.cast(rffi.INT, result)


@entrypoint_highlevel('main', [rffi.INT], c_name='hyper_report')
def hyper_report(handle):
    """The counters as JSON; NULL if there is no such handle."""
    try:
        run = find(handle)
        if run is None:
            return lltype.nullptr(rffi.CCHARP.TO)
        return last_report.hold(run.session.report_json())
    except Exception:
        fail("internal error in hyper_report")
        return lltype.nullptr(rffi.CCHARP.TO)


@entrypoint_highlevel('main', [rffi.INT, rffi.INT, rffi.CCHARP, rffi.INT], c_name='hyper_press')
def hyper_press(handle, domain, bytes, size):
    """Types characters on the keyboard of a domain's PC; returns 0."""
    try:
        run = find_domain(handle, domain)
        count = rffi.cast(lltype.Signed, size)
        result = FAILED
        if run is not None and 0 <= count <= MOST_BYTES:
            result = 0
            if not run.session.press(rffi.cast(lltype.Signed, domain), rffi.charpsize2str(bytes, count)):
                result = fail("the domain has no keyboard: it sees no PC")
    except Exception:
        result = fail("internal error in hyper_press")
    return rffi.cast(rffi.INT, result)


@entrypoint_highlevel('main', [rffi.INT, rffi.INT, rffi.INT, rffi.INT, rffi.INT], c_name='hyper_mouse')
def hyper_mouse(handle, domain, right, down, buttons):
    """Moves the mouse of a domain's PC by so many counts; bits 0 to 2 of `buttons` are left, right, middle. Returns 0."""
    try:
        run = find_domain(handle, domain)
        result = FAILED
        if run is not None:
            result = 0
            if not run.session.move_mouse(rffi.cast(lltype.Signed, domain), rffi.cast(lltype.Signed, right), rffi.cast(lltype.Signed, down),
                                          rffi.cast(lltype.Signed, buttons)):
                result = fail("the domain has no mouse: it sees no PC")
    except Exception:
        result = fail("internal error in hyper_mouse")
    return rffi.cast(rffi.INT, result)


@entrypoint_highlevel('main', [rffi.INT, rffi.INT, rffi.INT, rffi.INT], c_name='hyper_window')
def hyper_window(handle, domain, columns, lines):
    """The size of the window that shows a domain's console, for a guest that can be told; returns 0."""
    try:
        run = find_domain(handle, domain)
        result = FAILED
        if run is not None:
            run.session.set_window(rffi.cast(lltype.Signed, domain), rffi.cast(lltype.Signed, columns) & 0xffff, rffi.cast(lltype.Signed, lines) & 0xffff)
            result = 0
    except Exception:
        result = fail("internal error in hyper_window")
    return rffi.cast(rffi.INT, result)


@entrypoint_highlevel('main', [rffi.INT, rffi.INT], c_name='hyper_screen')
def hyper_screen(handle, domain):
    """What the screen of a domain shows (hyper/board/screen.py); NULL if there is no such domain."""
    try:
        run = find_domain(handle, domain)
        if run is None:
            return lltype.nullptr(rffi.CCHARP.TO)
        return last_screen.hold(run.session.screen(rffi.cast(lltype.Signed, domain)))
    except Exception:
        fail("internal error in hyper_screen")
        return lltype.nullptr(rffi.CCHARP.TO)


@entrypoint_highlevel('main', [rffi.INT], c_name='hyper_summary')
def hyper_summary(handle):
    """What the command line tells at the end of a run, as text: why a domain was stopped, and the counters."""
    try:
        run = find(handle)
        if run is None:
            return lltype.nullptr(rffi.CCHARP.TO)
        return last_summary.hold(run.session.why_crashed() + run.session.report_text())
    except Exception:
        fail("internal error in hyper_summary")
        return lltype.nullptr(rffi.CCHARP.TO)


@entrypoint_highlevel('main', [rffi.INT, CONSOLE], c_name='hyper_console')
def hyper_console(handle, out):
    """From now on the console output of every domain goes to out(domain, bytes, size); NULL drops it."""
    try:
        run = find(handle)
        if run is not None:
            run.world.out = out
            for sink in run.world.sinks:
                sink.out = out
    except Exception:
        fail("internal error in hyper_console")


@entrypoint_highlevel('main', [rffi.INT, rffi.INT, rffi.CCHARP, rffi.INT], c_name='hyper_input')
def hyper_input(handle, domain, bytes, size):
    """Console input for a domain; returns 0."""
    try:
        run = find_domain(handle, domain)
        count = rffi.cast(lltype.Signed, size)
        result = FAILED
        if run is not None and 0 <= count <= MOST_BYTES:
            run.session.receive(rffi.cast(lltype.Signed, domain), rffi.charpsize2str(bytes, count))
            result = 0
    except Exception:
        result = fail("internal error in hyper_input")
    return rffi.cast(rffi.INT, result)


@entrypoint_highlevel('main', [rffi.INT, rffi.INT, rffi.INT], c_name='hyper_attach')
def hyper_attach(handle, descriptor, interactive):
    """Console input also comes from an open file descriptor, until it ends; negative takes that back. With `interactive`
    a person is at its other end: idle machine time takes as much real time. Returns 0."""
    try:
        run = find(handle)
        result = FAILED
        if run is not None:
            run.world.attach(rffi.cast(lltype.Signed, descriptor), rffi.cast(lltype.Signed, interactive) != 0)
            result = 0
    except Exception:
        result = fail("internal error in hyper_attach")
    return rffi.cast(rffi.INT, result)


@entrypoint_highlevel('main', [], c_name='hyper_models')
def hyper_models():
    """The processors that --cpu takes: a line each, name and description."""
    try:
        return last_models.hold(models.listing())
    except Exception:
        return lltype.nullptr(rffi.CCHARP.TO)


@entrypoint_highlevel('main', [], c_name='hyper_error')
def hyper_error():
    """What went wrong last, one line."""
    try:
        return last_error.hold(state.error)
    except Exception:
        return lltype.nullptr(rffi.CCHARP.TO)
