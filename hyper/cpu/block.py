"""Decoded code: blocks, the pages they belong to, and the cache that finds them.

A code page is one linear page in one mode with certain bytes behind it, so every EIP in its blocks is a constant, and so is what a direct jump inside
the page leads to. Frames with the same bytes share what is decoded of them, and what is compiled: a hundred domains with one kernel have one. When
decoded bytes are no longer what they were `valid` is cleared, which the JIT takes for a constant: the traces through the page go with it.
"""
from rpython.rlib.jit import elidable, dont_look_inside

from hyper.board import raw
from hyper.board.memory import FRAME, CodeWatcher
from hyper.cpu.faults import Abort, ExecuteAlone
from hyper.cpu.translations import GLOBAL

PAGE = 0xfffff000
ITLB_ENTRIES = 256
FETCH = 2
LINE, LINES = 64, 64    # which bytes of a frame are decoded is remembered by lines
NEVER = 1 << 62
MOST_DORMANT = 256      # codes that are kept though no frame holds them
FETCHED = 1 << 16
INTERPRETED, NO_CODE, NOT_YET = -2, -1, 0       # of Block.code, else the position of its template code


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
        self.end = starts[len(ops) + 1]     # the EIP behind the block, not wrapped around where it is
        if self.end < starts[0]:
            self.end += 1 << 32
        self.count = len(ops) + terminator.counts
        self.tail = tail
        self.checks = checks or terminator.checks
        # the two blocks that followed last, for the interpreter
        self.followed_by = None
        self.followed_too = None
        self.code = NOT_YET
        self.heat = 0                       # how often it was interpreted, all of it or, if it has code, the rest
        self.traced = False                 # it has no code, since the JIT is to compile it


class CodePage(object):
    """mode; base: linear address; code: what its bytes are (None: it cannot be fetched); entries: how often it was entered from outside of compiled
    code."""
    _immutable_fields_ = ['mode', 'base', 'code', 'valid?', 'blocks', 'quick']

    def __init__(self, mode, base, code):
        self.mode = mode
        self.base = base
        self.code = code
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


class Code(object):
    """What has been decoded from 4096 bytes, with its pages. `frames` (machine addresses) hold those bytes. A write to one of them takes it away; the code
    stays for the next frame with such bytes, which are kept in `bytes` while there is none. Where code shares a frame with data that changes, the code is
    `live` instead: of that frame, as it is, until what is decoded is written. `lines`: the decoded 64-byte lines (bit i: line i)."""
    _immutable_fields_ = ['number', 'key']

    def __init__(self, number, key):
        self.number = number
        self.key = key
        self.frames = []
        self.pages = []
        self.lines = 0
        self.bytes = ''
        self.live = False
        self.dropped = False

    def covers(self, offset, size):
        """Whether any of `size` bytes from an offset on are decoded."""
        line = offset // LINE
        while line < LINES and line * LINE < offset + size:
            if self.lines & line_bit(line):
                return True
            line += 1
        return False


class CodeCache(CodeWatcher):
    """Finds code pages: an instruction TLB, and behind it the pages of each mode by code and linear page. Knows which frames hold code.

    known: code by a sample of its bytes; left: by frame, the code that data beside it were written into; dormant: code that no frame holds, oldest
    first; executing: whether guest code is under way, which then may be that in the frame that is written."""
    _immutable_fields_ = ['system', 'itlb', 'frames', 'known', 'left', 'nowhere', 'no_memory', 'fetched']

    def __init__(self, system):
        self.system = system
        self.frames = {}
        self.known = {}
        self.left = {}
        self.dormant = []
        self.count = 0
        self.executing = False
        self.template_threshold = NEVER     # how often a block is interpreted before it gets template code
        self.generation = 0                 # of what the instruction TLB holds: it may not be relied on when this has changed
        self.global_generation = 0          # the same of global translations, and all in supervisor modes while those are global
        self.supervisor_is_global = True    # whether they are
        self.fetched = raw.allocate(FETCHED)    # for each linear page, by its low bits, whether code has ever been fetched from it
        self.no_memory = Code(0, -1)
        self.nowhere = CodePage(None, -1, None)
        self.itlb = [self.nowhere] * ITLB_ENTRIES
        system.memory.watcher = self

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
                mode.fault_page = CodePage(mode, -2, None)
            if len(mode.fault_page.blocks) > 4096:
                mode.fault_page.blocks.clear()
            return mode.fault_page
        frame = physical & ~0xfff
        if self.system.memory.contains(frame, FRAME) and not self.system.is_device(frame):
            code = self.code_of(frame)
        else:
            code = self.no_memory
        key = code.number << 20 | base >> 12
        page = mode.pages.get(key, None)
        if page is None:
            page = CodePage(mode, base, code)
            mode.pages[key] = page
            code.pages.append(page)
        self.itlb[itlb_slot(base)] = page
        raw.store8(self.fetched, base >> 12 & (FETCHED - 1), 1)
        if not mode.user and self.system.mmu.leaf & GLOBAL == 0:
            self.supervisor_is_global = False
        return page

    def page(self, mode, base):
        """The code page of a linear page: from the instruction TLB, or filled."""
        page = self.lookup(base)
        if page.base != base or page.mode is not mode:
            page = self.fill(mode, base)
        return page

    def flush(self):
        """Forget translations; pages and their traces stay, and are found again by frame."""
        self.changed()
        self.supervisor_is_global = True
        self.forget_pages()

    def flush_local(self):
        """Forget the translations that are not global."""
        if self.supervisor_is_global:
            self.generation += 1
            self.forget_pages()
        else:
            self.flush()

    def changed(self):
        self.generation += 1
        self.global_generation += 1

    def forget_pages(self):
        itlb = self.itlb
        for k in range(ITLB_ENTRIES):
            itlb[k] = self.nowhere

    def invalidate(self, address):
        if raw.load8(self.fetched, address >> 12 & (FETCHED - 1)):
            self.changed()
        self.itlb[itlb_slot(address)] = self.nowhere

    def forget(self, code):
        """Forget the translations that lead to its pages."""
        self.changed()
        for page in code.pages:
            slot = itlb_slot(page.base)
            if self.itlb[slot] is page:
                self.itlb[slot] = self.nowhere

    def decoded(self, page, first, end):
        """Remember that bytes of a page have been decoded: from offset `first` to before `end`. Of a page that cannot be fetched there is nothing."""
        code = page.code
        if code is None:
            return
        line = first // LINE
        while line * LINE < end:
            code.lines |= line_bit(line)
            line += 1

    # -- frames and what they hold

    def code_of(self, frame):
        code = self.frames.get(frame, None)
        if code is None:
            code = self.find(frame)
            code.frames.append(frame)
            self.frames[frame] = code
            self.system.memory.mark_code(frame, True)
            self.system.mmu.protect_frame(frame)
        return code

    def find(self, frame):
        """The code that the bytes of a frame are."""
        storage = self.system.memory.storage
        key = raw.sample(storage, frame, FRAME)
        code = self.known.get(key, None)
        if code is not None:
            if len(code.frames) > 0:
                if raw.are_equal(storage, frame, code.frames[0], FRAME):
                    return code
            elif raw.holds(storage, frame, code.bytes):
                return code
        before = self.left.get(frame, None)
        if before is not None:
            del self.left[frame]
            if self.changed_beside(frame, before):
                self.make_live(before)
                return before
        self.count += 1
        code = Code(self.count, key)
        self.known[key] = code
        return code

    def changed_beside(self, frame, code):
        """Whether the frame, which has left the code, differs from it only in what is not decoded."""
        if code.dropped or len(code.frames) > 0:
            return False
        memory = self.system.memory
        for line in range(LINES):
            if code.lines & line_bit(line) and not raw.holds(memory.storage, frame + line * LINE, code.bytes[line * LINE:(line + 1) * LINE]):
                return False
        return True

    def make_live(self, code):
        code.live = True
        self.unlearn(code)

    def unlearn(self, code):
        if self.known.get(code.key, None) is code:
            del self.known[code.key]

    def leave(self, frame, code):
        """The frame, still unchanged, will not hold this code any longer."""
        if len(code.frames) == 1:
            code.bytes = self.system.memory.read_bytes(frame, FRAME)
            self.dormant.append(code)
        self.take_away(frame, code)
        if len(self.dormant) > MOST_DORMANT:
            oldest = self.dormant.pop(0)
            if len(oldest.frames) == 0:
                self.drop(oldest)

    def take_away(self, frame, code):
        code.frames.remove(frame)
        del self.frames[frame]
        self.system.memory.mark_code(frame, False)
        self.forget(code)

    def drop(self, code):
        """Forget the code."""
        for page in code.pages:
            page.valid = False
            key = code.number << 20 | page.base >> 12
            if page.mode.pages.get(key, None) is page:
                del page.mode.pages[key]
        self.forget(code)
        for frame in code.frames[:]:
            self.take_away(frame, code)
        self.unlearn(code)
        code.pages = []
        code.dropped = True

    def drop_linear(self, base):
        """Forget what is decoded of a linear page, in every mode and address space."""
        for mode in self.system.modes:
            for key in mode.pages.keys():
                page = mode.pages[key]
                if page.base == base:
                    page.valid = False
                    del mode.pages[key]
                    page.code.pages.remove(page)
            if mode.fault_page is not None:
                mode.fault_page.valid = False
                mode.fault_page = None
        self.invalidate(base)

    def drop_all(self):
        """Forget all code."""
        for frame in self.frames.keys():
            if frame in self.frames:
                self.drop(self.frames[frame])
        for code in self.dormant:
            if len(code.frames) == 0:
                self.drop(code)
        self.dormant = []
        self.drop(self.no_memory)
        self.flush()

    # -- writes

    def before_store(self, address, size):
        """An instruction is about to write where code is. That may be its own, so it is executed alone: what comes behind it is looked up again."""
        frame = address & PAGE
        code = self.frames[frame]
        covered = code.covers(address & 0xfff, size)
        if code.live:
            if not covered:
                return
            self.drop(code)
        else:
            if not covered:
                self.left[frame] = code
            self.leave(frame, code)
        debug = self.system.debug
        if not debug.exact:
            debug.alone = True
            raise ExecuteAlone()

    def code_written(self, address, size):
        """Bytes have been written, by anything but the store of an instruction."""
        frame = address & PAGE
        code = self.frames.get(frame, None)
        if code is None:
            return
        if code.covers(address & 0xfff, size):
            if len(code.frames) > 1 and not self.executing:
                self.take_away(frame, code)
            else:
                self.drop(code)
        elif len(code.frames) == 1:
            self.make_live(code)
        elif self.executing:
            self.drop(code)
        else:
            self.take_away(frame, code)


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
    """The byte at a linear address in a code page. Where there is no RAM it is FFh, which begins no instruction."""
    code = page.code
    if code is None or len(code.frames) == 0:
        return 0xff
    return raw.load8(memory.storage, code.frames[0] + (address & 0xfff))


def text_of(memory, page, block):
    """The bytes that a page holds where a block lies, as far as it does."""
    text = ''
    for k in range(block.address & 0xfff, min((block.address & 0xfff) + block.end - block.starts[0], FRAME)):
        text += chr(code_byte(memory, page, k))
    return text
