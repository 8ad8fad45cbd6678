"""Decoded code: blocks, the pages they belong to, and the cache that finds them.

A code page is one linear page in one mode with one physical frame behind it, so every EIP in its blocks is a constant, and so is what a direct jump
inside the page leads to. Writing to decoded bytes clears `valid`, which the JIT takes for a constant: the traces through the page go with it.
"""
from rpython.rlib.jit import elidable, dont_look_inside

from hyper.board import raw
from hyper.board.memory import CodeWatcher
from hyper.cpu.faults import Abort

PAGE = 0xfffff000
ITLB_ENTRIES = 256
FETCH = 2
LINE = 64               # a frame's decoded bytes are remembered in words of 64 bytes


class Block(object):
    """Instructions that run one after the other. starts: the EIP of each operation, the terminator's, and the one behind it; count: instructions
    retired by running it; tail: the code page on which its only instruction ends, if that is not the one where it begins; checks: events are looked
    at behind it even if it goes forward."""
    _immutable_fields_ = ['ops[*]', 'terminator', 'starts[*]', 'end', 'count', 'page', 'address', 'tail', 'checks']

    def __init__(self, page, address, ops, terminator, starts, tail, checks):
        self.page = page
        self.address = address
        self.ops = ops
        self.terminator = terminator
        self.starts = starts
        self.end = starts[len(ops) + 1]     # the EIP behind the block
        self.count = len(ops) + terminator.counts
        self.tail = tail
        self.checks = checks or terminator.checks
        # the two blocks that followed last, for the interpreter
        self.followed_by = None
        self.followed_too = None


class CodePage(object):
    """mode; base: linear address; frame: physical address, or -1 where there is no RAM (reads as FFh); entries: how often it was entered from outside
    of compiled code."""
    _immutable_fields_ = ['mode', 'base', 'frame', 'valid?', 'blocks', 'quick']

    def __init__(self, mode, base, frame):
        self.mode = mode
        self.base = base
        self.frame = frame
        self.valid = True
        self.entries = 0
        self.blocks = {}
        self.quick = [None] * 256

    @elidable
    def block_at(self, address):
        """The block at a linear address in the page. Elidable: for one page the same bytes give the same block, and when the bytes change the page is
        not valid any more. It never faults: what cannot be fetched is decoded to an operation that faults when it is reached."""
        slot = address & 255
        assert slot >= 0
        block = self.quick[slot]
        if block is not None and block.address == address:
            return block
        block = self.blocks.get(address, None)
        if block is None:
            from hyper.cpu.decode import decode_block
            block = decode_block(self, address)
            self.blocks[address] = block
        self.quick[slot] = block
        return block

    @dont_look_inside
    def decode_again(self, address):
        """A new block in place of one whose tail is gone."""
        from hyper.cpu.decode import decode_block
        block = decode_block(self, address)
        self.blocks[address] = block
        self.quick[address & 255] = block
        return block


class FrameCode(object):
    """What has been decoded from one physical frame: which pages, and which of its 64-byte lines (bit i of `lines`: line i)."""

    def __init__(self):
        self.pages = []
        self.lines = 0


class CodeCache(CodeWatcher):
    """Finds code pages: an instruction TLB, and behind it the pages of each mode by frame and linear page. Knows which frames hold code."""
    _immutable_fields_ = ['system', 'itlb', 'frames', 'nowhere']

    def __init__(self, system):
        self.system = system
        self.frames = {}
        self.nowhere = CodePage(None, -1, -1)
        self.itlb = [self.nowhere] * ITLB_ENTRIES
        system.memory.watcher = self
        self.invalidations = 0

    def lookup(self, base):
        """The page that the instruction TLB holds in the place of `base`; it may be another."""
        return self.itlb[itlb_slot(base)]

    @dont_look_inside
    def fill(self, mode, base):
        """Translate a linear page for fetching. Where that faults the result is the mode's `fault page`, whose blocks raise the fault."""
        try:
            physical = self.system.mmu.physical(base, FETCH, mode.user)
        except Abort:
            if mode.fault_page is None:
                mode.fault_page = CodePage(mode, -2, -1)
            if len(mode.fault_page.blocks) > 4096:
                mode.fault_page.blocks.clear()
            return mode.fault_page
        frame = physical & ~0xfff
        if not self.system.memory.contains(frame, 4096) or self.system.is_device(frame):
            frame = 0xfffff001      # no frame: every byte is FFh, which is no instruction
        key = (frame << 20) | (base >> 12)
        page = mode.pages.get(key, None)
        if page is None:
            page = CodePage(mode, base, frame)
            mode.pages[key] = page
            if frame != 0xfffff001:
                code = self.frames.get(frame, None)
                if code is None:
                    code = FrameCode()
                    self.frames[frame] = code
                    self.system.memory.mark_code(frame, True)
                    self.system.mmu.protect_frame(frame)
                code.pages.append(page)
        self.itlb[itlb_slot(base)] = page
        return page

    def page(self, mode, base):
        """The code page of a linear page: from the instruction TLB, or filled."""
        page = self.lookup(base)
        if page.base != base or page.mode is not mode:
            page = self.fill(mode, base)
        return page

    def flush(self):
        """Forget translations; pages and their traces stay, and are found again by frame."""
        itlb = self.itlb
        for k in range(ITLB_ENTRIES):
            itlb[k] = self.nowhere

    def invalidate(self, address):
        self.itlb[itlb_slot(address)] = self.nowhere

    def decoded(self, page, first, end):
        """Remember that bytes of a page have been decoded: from offset `first` to before `end`."""
        code = self.frames.get(page.frame, None)
        if code is not None:
            line = first // LINE
            while line * LINE < end:
                code.lines |= line_bit(line)
                line += 1

    def code_written(self, address, size):
        frame = address & PAGE
        code = self.frames.get(frame, None)
        if code is None:
            return
        first = (address & 0xfff) // LINE
        last = ((address & 0xfff) + size - 1) // LINE
        while first <= last and first < 64:
            if code.lines & line_bit(first):
                self.drop(frame, code)
                return
            first += 1

    def drop(self, frame, code):
        """Forget the code of a frame."""
        self.invalidations += 1
        for page in code.pages:
            page.valid = False
            slot = itlb_slot(page.base)
            if self.itlb[slot] is page:
                self.itlb[slot] = self.nowhere
            key = (frame << 20) | (page.base >> 12)
            if key in page.mode.pages:
                del page.mode.pages[key]
        del self.frames[frame]
        self.system.memory.mark_code(frame, False)

    def drop_linear(self, base):
        """Forget what is decoded of a linear page, in every mode and address space."""
        for mode in self.system.modes:
            for key in mode.pages.keys():
                page = mode.pages[key]
                if page.base == base:
                    page.valid = False
                    del mode.pages[key]
                    code = self.frames.get(page.frame, None)
                    if code is not None:
                        code.pages.remove(page)
            if mode.fault_page is not None:
                mode.fault_page.valid = False
                mode.fault_page = None
        self.invalidate(base)

    def drop_all(self):
        """Forget all code."""
        for frame in self.frames.keys():
            self.drop(frame, self.frames[frame])
        self.flush()


def itlb_slot(address):
    """Where the instruction TLB keeps the page of a linear address. The top byte is mixed in, as kernels and programs are linked at round addresses."""
    slot = (address >> 12 ^ address >> 24) & (ITLB_ENTRIES - 1)
    assert slot >= 0
    return slot


def line_bit(line):
    """Bit `line` of a 64-bit word, as a signed int."""
    from rpython.rlib.rarithmetic import intmask, r_uint
    return intmask(r_uint(1) << line)


def code_byte(memory, page, address):
    """The byte at a linear address in a code page."""
    if page.frame == 0xfffff001:
        return 0xff
    return raw.load8(memory.storage, page.frame + (address & 0xfff))
