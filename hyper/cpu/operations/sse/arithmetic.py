"""arithmetic.c for RPython: `run` does the operation of a number (`table.FUNCTIONS`) on raw storage.

Translated it is a plain call of C, which the JIT puts into traces as it is: it touches no object. Untranslated raw storage is a bytearray, and C is
called through ctypes.
"""
import os

from rpython.rlib.objectmodel import we_are_translated
from rpython.rtyper.lltypesystem import lltype, rffi
from rpython.translator.tool.cbuild import ExternalCompilationInfo

from hyper.cpu.operations.sse.table import FUNCTIONS

UNMASKED = 0x100            # in a result: an exception that is not masked; the flags are below it, EFLAGS of a comparison from bit 16 on

_TAIL = """
static operation *const operations[] = {%s};

__attribute__((visibility("default"))) long sse_run(long number, char *to, const char *from, long immediate, long mxcsr)
{
    return operations[number](to, from, immediate, mxcsr);
}
"""


def _source():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'arithmetic.c')) as source:
        return source.read() + _TAIL % ', '.join(FUNCTIONS)


_declared = ['long sse_run(long number, char *to, const char *from, long immediate, long mxcsr);', 'long sse_begin(void);', 'void sse_end(long host);']
_information = ExternalCompilationInfo(separate_module_sources=[_source()], post_include_bits=_declared)
_run = rffi.llexternal('sse_run', [lltype.Signed, rffi.CCHARP, rffi.CCHARP, lltype.Signed, lltype.Signed], lltype.Signed,
                       compilation_info=_information, _nowrapper=True)
_begin = rffi.llexternal('sse_begin', [], lltype.Signed, compilation_info=_information, _nowrapper=True)
_end = rffi.llexternal('sse_end', [lltype.Signed], lltype.Void, compilation_info=_information, _nowrapper=True)


def run(number, target, to, source, at, immediate, mxcsr):
    """Do an operation with what is at offset `at` of storage `source` on what is at `to` of `target`. Returns exception flags to be set in MXCSR; with
    UNMASKED among them the target is unchanged."""
    if not we_are_translated():
        return _run_untranslated(number, target, to, source, at, immediate, mxcsr)
    return _run(number, rffi.ptradd(target, to), rffi.ptradd(source, at), immediate, mxcsr)


def begin():
    """Give the host's MXCSR the value that operations expect; returns what it was."""
    if not we_are_translated():
        return 0
    return _begin()


def end(host):
    """The host's MXCSR as it was at `begin`."""
    if we_are_translated():
        _end(host)


_library = []


def _run_untranslated(number, target, to, source, at, immediate, mxcsr):
    import ctypes
    if not _library:
        path = _information.compile_shared_lib().libraries[-1]
        function = ctypes.CDLL(path).sse_run
        function.restype = ctypes.c_long
        function.argtypes = [ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long, ctypes.c_long]
        _library.append(function)
    byte = ctypes.c_char
    return _library[0](number, ctypes.addressof(byte.from_buffer(target, to)), ctypes.addressof(byte.from_buffer(source, at)), immediate, mxcsr)
