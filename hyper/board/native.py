"""C functions of our own on raw storage. Translated, they are compiled in and called directly; untranslated, they are in a shared library that is made
when the first of them is called.

They touch no garbage-collected object, raise nothing and call nothing back, so compiled code of the JIT calls them as C code would.
"""
import os

from rpython.rlib.objectmodel import we_are_translated
from rpython.rtyper.lltypesystem import lltype, rffi
from rpython.translator.tool.cbuild import ExternalCompilationInfo


class Source(object):
    """A C file (not RPython: for use at import). functions: names of those to be called, each with how many words (long) it takes behind the
    storage (void *)."""

    def __init__(self, path, functions):
        self.functions = functions
        # protected: the shared library must show them, and the program calls them directly
        declarations = ['__attribute__((visibility("protected"))) long %s(%s);' % (name, ', '.join(['void *'] + ['long'] * functions[name]))
                        for name in sorted(functions)]
        with open(path) as source:
            text = '#line 1 "%s"\n%s' % (os.path.basename(path), source.read())        # a copy is compiled: object files may not lie beside the source
        self.information = ExternalCompilationInfo(separate_module_sources=[text], post_include_bits=declarations)
        self.library = None

    def call(self, name, storage, words):
        """Untranslated."""
        import ctypes
        if self.library is None:
            made = self.information.compile_shared_lib()
            self.library = ctypes.CDLL(made.libraries[0])
        function = getattr(self.library, name)
        function.restype = ctypes.c_long
        return function((ctypes.c_char * len(storage)).from_buffer(storage), *[ctypes.c_long(word) for word in words])

    def function(self, name):
        """The function to be called from RPython: with storage and words, all of them signed; returns a word."""
        external = rffi.llexternal(name, [rffi.CCHARP] + [lltype.Signed] * self.functions[name], lltype.Signed, compilation_info=self.information,
                                   _nowrapper=True)

        def call(storage, *words):
            if not we_are_translated():
                return self.call(name, storage, words)
            return external(storage, *words)
        return call
