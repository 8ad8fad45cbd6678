"""What template code needs of the host: storage that can be executed, addresses, calls in both directions. Untranslated it is done with ctypes."""
import platform

from rpython.rlib import rmmap
from rpython.rlib.nonconst import NonConstant
from rpython.rlib.objectmodel import specialize, we_are_translated
from rpython.rtyper.annlowlevel import llhelper
from rpython.rtyper.lltypesystem import lltype, rffi

AVAILABLE = platform.machine() in ('x86_64', 'AMD64')       # of the host that translates, which is the one that runs
PAGE_SIZE, READ_WRITE_EXECUTE = 4096, 7

ENTRY = lltype.Ptr(lltype.FuncType([lltype.Signed, lltype.Signed], lltype.Signed))
CALLBACK = lltype.Ptr(lltype.FuncType([lltype.Signed, lltype.Signed, lltype.Signed], lltype.Signed))


def allocate(size):
    """Storage, as of hyper.board.raw, for code."""
    if not we_are_translated():
        return allocate_untranslated(size)
    return rffi.cast(rffi.CCHARP, rmmap.alloc(NonConstant(size)))       # NonConstant: the JIT uses these functions too, with other sizes


def free(storage, size):
    if we_are_translated():
        rmmap.free(storage, NonConstant(size))


def address_of(storage):
    if not we_are_translated():
        import ctypes
        return ctypes.addressof(ctypes.c_char.from_buffer(storage))
    return rffi.cast(lltype.Signed, storage)


def call(function, frame, code):
    """Call a C function with the type ENTRY at an address."""
    if not we_are_translated():
        import ctypes
        return ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long, ctypes.c_long)(function)(frame, code)
    return rffi.cast(ENTRY, function)(frame, code)


@specialize.arg(0)
def address_of_callback(function):
    """The address of a C function that calls one of ours, which has the type CALLBACK."""
    if not we_are_translated():
        return callback(function)
    return rffi.cast(lltype.Signed, llhelper(CALLBACK, function))


callbacks = {}          # untranslated: kept, or they would be freed


def callback(function):
    import ctypes
    if function not in callbacks:
        callbacks[function] = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long, ctypes.c_long, ctypes.c_long)(function)
    return ctypes.cast(callbacks[function], ctypes.c_void_p).value


def allocate_untranslated(size):
    import ctypes
    storage = bytearray(size + 2 * PAGE_SIZE)
    first = address_of(storage) // PAGE_SIZE * PAGE_SIZE
    if ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(first), ctypes.c_size_t(size + 2 * PAGE_SIZE), READ_WRITE_EXECUTE) != 0:
        raise MemoryError
    return storage
