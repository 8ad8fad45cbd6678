"""Writes the host's code for a block: an operation's `template` method emits what the operation does, with the methods here.

Guest register n is host register 8 + n; RBP is the frame, RBX the bank of the software TLB, RDI machine memory, RSI the instruction count before the
block; RAX, RCX and RDX are free. As guest and host are of one family most arithmetic is one instruction, which leaves the guest's flags in the host's;
they are saved to the frame before anything else changes the host's, if something may still ask for them.

What a template does not do, a fault above all, is left to the interpreter: the code is left with the state as it was before the operation, whose
number it gives. So whatever a template may meet on the way it must check before it changes a register, and accesses that miss the TLB have it filled
out of line, or end there. An operation without a template is called, as the interpreter would, if it can be: see `perform`.
"""
from hyper.cpu.flags import signed
from hyper.cpu.mode import ADDEND, PAGE, READ_TAG, TLB_INDEX, WRITE_TAG
from hyper.cpu.operations.base import READS, WRITES, CHANGES, LEAVES
from hyper.cpu.operations.operands import FlatMemory, Immediate, Memory, Register, Register8High
from hyper.cpu.templates import frame
from hyper.cpu.templates.assembler import (Assembler, RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, STACK, NO_INDEX, OR, AND, XOR, CMP, E, NE, GE, G, A)

M32 = 0xffffffff
LAST_WHOLE = 0x1000 - 15        # offset in a page behind which an instruction may end on the next, so that the way to it depends on more than the page
LEFT_BEHIND, LEFT_AT = 0, 1     # in EAX: behind the block, or at an operation

# where the guest's flags are
IN_FRAME, IN_HOST, NOWHERE = range(3)


class Miss(object):
    """An access whose page may not be in the TLB: from `jump` on, the page is entered and the access looked up again, at `retry`."""

    def __init__(self, jump, retry, index, what):
        self.jump = jump
        self.retry = retry
        self.index = index
        self.what = what


class Exit(object):
    """A jump out of the code: at operation `index`, or, if that is -1, behind the block to `eip` (-1: it has been stored). link: whether the jump may
    be made to lead on."""

    def __init__(self, jump, index, eip, link):
        self.jump = jump
        self.index = index
        self.eip = eip
        self.link = link


class Compiler(Assembler):

    def __init__(self, storage):
        """storage: executable."""
        Assembler.__init__(self, storage)
        self.misses = []
        self.exits = []
        self.number = 0
        self.index = 0
        self.place = RAX
        self.flags = IN_FRAME
        self.adjust_is_wrong = False
        self.needed_before = True
        self.needed = True
        self.write_common()

    # -- what all code shares

    def write_common(self):
        """The way in, the way out, and the calls that fill the TLB and do an operation."""
        self.enter = self.at        # C function: (frame, host address of the code) gives why it was left
        for register in [RBX, RBP, 12, 13, 14, 15]:
            self.prefixes(4, 0, 0, NO_INDEX, register)
            self.byte(0x50 | register & 7)
        self.lea_quad(RSP, RSP, -8)
        self.registers(0x89, RSI, RAX, 4, 1)
        self.registers(0x89, RDI, RBP, 4, 1)
        for n in range(8):
            self.load(R8 + n, RBP, frame.REGISTERS + 4 * n)
        self.load_quad(RSI, RBP, frame.ICOUNT)
        self.load_quad(RBX, RBP, frame.TLB)
        self.load_quad(RDI, RBP, frame.RAM)
        self.registers(0xff, 4, RAX)
        self.leave = self.at
        for n in range(8):
            self.store(R8 + n, RBP, frame.REGISTERS + 4 * n)
        self.store_quad(RSI, RBP, frame.ICOUNT)
        self.lea_quad(RSP, RSP, 8)
        for register in [15, 14, 13, 12, RBP, RBX]:
            self.prefixes(4, 0, 0, NO_INDEX, register)
            self.byte(0x58 | register & 7)
        self.byte(0xc3)
        self.fill = self.at         # EAX: a linear address, ECX: what it is for; gives it in EAX again, and NE if the TLB holds the page now
        saved = [R8, 9, 10, 11, RSI, RDI, RAX]
        for k in range(len(saved)):
            self.store_quad(saved[k], RBP, frame.SAVED + 8 * k)
        self.lea_quad(RSP, RSP, -8)
        self.move(RSI, RAX)
        self.move(RDX, RCX)
        self.load_quad(RDI, RBP, frame.SYSTEM)
        self.memory(0xff, 2, RBP, NO_INDEX, 0, frame.FILL)
        self.lea_quad(RSP, RSP, 8)
        self.registers(0x85, RAX, RAX, 4, 1)
        for k in range(len(saved)):
            self.load_quad(saved[k], RBP, frame.SAVED + 8 * k)
        self.byte(0xc3)
        self.performing = self.at   # EAX: number of the block, ECX: of the operation; gives how it ended in EAX, and E if it was left alone
        for n in range(8):
            self.store(R8 + n, RBP, frame.REGISTERS + 4 * n)
        self.store_quad(RSI, RBP, frame.ICOUNT)
        self.lea_quad(RSP, RSP, -8)
        self.move(RSI, RAX)
        self.move(RDX, RCX)
        self.load_quad(RDI, RBP, frame.SYSTEM)
        self.memory(0xff, 2, RBP, NO_INDEX, 0, frame.PERFORM)
        self.lea_quad(RSP, RSP, 8)
        for n in range(8):
            self.load(R8 + n, RBP, frame.REGISTERS + 4 * n)
        self.load_quad(RSI, RBP, frame.ICOUNT)
        self.load_quad(RDI, RBP, frame.RAM)
        self.registers(0x85, RAX, RAX)
        self.byte(0xc3)
        self.common_end = self.at

    # -- a block

    def compile(self, block, number):
        """Write the code of a block, which is left under a number. Returns its position, or 0 if its first operation has no template."""
        ops = block.ops
        count = len(ops)
        needed = [True] * (count + 1)
        live = True
        index = count
        while index >= 0:
            effect = block.terminator.effect() if index == count else ops[index].effect()
            needed[index] = live
            if effect & WRITES:
                live = False
            if effect & (READS | LEAVES) or (effect & CHANGES and needed[index]):
                live = True
            index -= 1
        self.block = block
        self.number = number
        self.misses = []
        self.exits = []
        self.flags = IN_FRAME
        self.adjust_is_wrong = False
        start = self.at
        index = 0
        whole = True
        while index < count and whole:
            self.index = index
            self.needed_before = index == 0 or needed[index - 1]
            self.needed = needed[index]
            whole = ops[index].template(self) or ops[index].called and not ops[index].computes and self.perform()
            if whole:
                index += 1
        self.index = index
        if whole:
            self.needed_before = index == 0 or needed[index - 1]
            self.needed = True
            whole = block.terminator.template(self) or block.terminator.called and self.perform_terminator()
        if not whole:
            if index == 0:
                self.at = start
                block.traced = count > 0 and ops[0].computes
                return 0
            self.save_flags()
            self.leave_at(self.jump())
        self.write_exits()
        return start

    def close(self, block, number):
        """Make the code of a block leave at once, at its first operation."""
        out = self.at
        self.number = number
        self.write_exit(Exit(0, 0, 0, False))
        end = self.at
        self.at = block.code
        self.jump_to(out)
        self.at = end

    def write_exits(self):
        for miss in self.misses:
            self.land(miss.jump)
            self.move_immediate(RCX, miss.what)
            self.call(self.fill)
            self.jump_if_to(NE, miss.retry)
            self.write_exit(Exit(0, miss.index, 0, False))
        for exit in self.exits:
            self.land(exit.jump)
            self.write_exit(exit)

    def write_exit(self, exit):
        self.store_immediate(RBP, frame.BLOCK, self.number)
        if exit.index >= 0:
            self.store_immediate(RBP, frame.INDEX, exit.index)
            self.move_immediate(RAX, LEFT_AT)
        else:
            if exit.eip >= 0:
                self.store_immediate(RBP, frame.EIP, exit.eip)
            self.store_immediate(RBP, frame.LINK, exit.jump if exit.link else 0)
            self.move_immediate(RAX, LEFT_BEHIND)
        self.jump_to(self.leave)

    # -- flags

    def save_flags(self):
        """Before something that changes the host's flags, or leaves: the guest's, if they are there and may be asked for, go to the frame. Uses AX."""
        if self.flags != IN_HOST:
            return
        if not self.needed_before:
            self.flags = NOWHERE
            return
        self.put_flags()
        self.flags = IN_FRAME
        if self.adjust_is_wrong:
            self.memory(0x80, 4, RBP, NO_INDEX, 0, frame.FLAGS + 1, 1)      # AND
            self.byte(0xef)
            self.adjust_is_wrong = False

    def put_flags(self):
        """The host's flags to the frame; they stay as they are."""
        self.byte(0x9f)         # LAHF
        self.set(0, RAX)        # SETO
        self.memory(0x89, RAX, RBP, NO_INDEX, 0, frame.FLAGS, 2)

    def want_flags(self):
        """Before something that reads the guest's flags in the host's. Uses AX."""
        if self.flags == IN_HOST:
            if not self.adjust_is_wrong:
                return
            self.save_flags()
        self.memory(0x8b, RAX, RBP, NO_INDEX, 0, frame.FLAGS, 2)
        self.byte(0x04)         # ADD AL, 7Fh: OF := bit 0
        self.byte(0x7f)
        self.byte(0x9e)         # SAHF
        self.flags = IN_HOST
        self.adjust_is_wrong = False

    def flags_for_jump(self):
        """The guest's flags are wanted in both places."""
        if self.flags == IN_HOST and not self.adjust_is_wrong:
            self.put_flags()
        else:
            self.want_flags()
        self.flags = IN_FRAME

    def keep_flags(self):
        """Before something that changes some of them."""
        if self.needed:
            self.want_flags()
        else:
            self.flags = NOWHERE

    def have_flags(self):
        """The last instruction has left the guest's in the host's."""
        self.flags = IN_HOST
        self.adjust_is_wrong = False
        self.needed_before = self.needed

    def have_flags_but_adjust(self):
        """AF, which the manual leaves undefined, is to be 0 and need not be."""
        self.have_flags()
        self.adjust_is_wrong = True

    def have_flags_of_count(self):
        """Of a shift by CL, which changes no flags if that is 0, else AF must be 0. Uses AX and the host's flags."""
        self.have_flags()
        self.save_flags()
        if self.flags == IN_FRAME:
            self.registers(0xf6, 0, RCX, 1)         # TEST
            self.byte(31)
            none = self.jump_if(E)
            self.memory(0x80, 4, RBP, NO_INDEX, 0, frame.FLAGS + 1, 1)      # AND
            self.byte(0xef)
            self.land(none)

    def have_zero_flag(self):
        """The last instruction has left ZF; the other flags are in the frame. Uses RDX."""
        self.needed_before = self.needed
        if not self.needed:
            self.flags = NOWHERE
            return
        self.set(E, RDX)
        self.shift(4, RDX, 6, 1)
        self.memory(0x80, 4, RBP, NO_INDEX, 0, frame.FLAGS + 1, 1)      # AND
        self.byte(0xbf)
        self.memory(0x08, RDX, RBP, NO_INDEX, 0, frame.FLAGS + 1, 1)    # OR
        self.flags = IN_FRAME

    def have_result_flags(self, result, size):
        """The flags are CF = OF, as the last instruction has left them, and SF, ZF and PF of a result in a register; AF is 0. Uses AX and RDX."""
        self.needed_before = self.needed
        if not self.needed:
            self.flags = NOWHERE
            return
        self.set(0, RDX)        # SETO
        self.registers(0x84 | int(size != 1), result, result, size)     # TEST
        self.byte(0x9f)         # LAHF
        self.byte(0x88)         # MOV AL, DL
        self.byte(0xd0)
        self.byte(0x08)         # OR AH, DL
        self.byte(0xd4)
        self.memory(0x89, RAX, RBP, NO_INDEX, 0, frame.FLAGS, 2)
        self.flags = IN_FRAME

    # -- memory

    def has_template(self, operand):
        """Whether accesses of an operand can be written."""
        if isinstance(operand, Memory):
            return operand.address_mask == M32
        return not isinstance(operand, Register8High)

    def effective_address(self, to, operand):
        """A register := the offset of a memory operand."""
        assert isinstance(operand, Memory)
        displacement = signed(operand.displacement, 4)
        if operand.base >= 0:
            index = R8 + operand.index if operand.index >= 0 else NO_INDEX
            if index == NO_INDEX and displacement == 0:
                self.move(to, R8 + operand.base)
            else:
                self.lea(to, R8 + operand.base, index, operand.scale, displacement)
        elif operand.index >= 0:
            self.lea_scaled(to, R8 + operand.index, operand.scale, displacement)
        else:
            self.move_immediate(to, displacement)

    def access(self, operand, size, write, zero_bits=0):
        """The bytes of a memory operand may be accessed at RDI + RAX from now on; zero_bits: bits of the address that must be zero. Uses RCX and RDX,
        and the host's flags."""
        assert isinstance(operand, Memory)
        self.save_flags()
        self.effective_address(RAX, operand)
        if not isinstance(operand, FlatMemory):
            segment = frame.SEGMENTS + frame.SEGMENT_SIZE * operand.segment
            self.lea_quad(RCX, RAX, size - 1)
            self.memory(0x3b, RCX, RBP, NO_INDEX, 0, segment + (frame.WRITE_TOP if write else frame.READ_TOP), 4, 1)
            self.leave_at(self.jump_if(G))
            self.memory(0x03, RAX, RBP, NO_INDEX, 0, segment + frame.BASE)
        if zero_bits:
            self.registers(0xf6, 0, RAX, 1)         # TEST
            self.byte(zero_bits)
            self.leave_at(self.jump_if(NE))
        self.look_up(size, write)

    def access_at(self, register, displacement, size, write):
        """Likewise, of bytes on the stack at a host register plus a constant."""
        self.save_flags()
        if displacement == 0:
            self.move(RAX, register)
        else:
            self.lea(RAX, register, NO_INDEX, 0, displacement)
        self.look_up(size, write)

    def access_stack(self, displacement, size, write):
        self.access_at(STACK, displacement, size, write)

    def move_stack(self, displacement):
        self.lea(STACK, STACK, NO_INDEX, 0, displacement)

    def push_constant(self, value):
        self.access_stack(-4, 4, True)
        self.at_operand(0xc7, 0, 4)
        self.word(value)
        self.move_stack(-4)

    def look_up(self, size, write):
        """Of the bytes at linear address EAX."""
        self.place = RAX
        retry = self.at
        self.move(RDX, RAX)
        if size == 1:
            self.move(RCX, RAX)
        else:
            self.lea(RCX, RAX, NO_INDEX, 0, size - 1)
        self.shift(5, RDX, 7)
        self.arithmetic_immediate(AND, RCX, PAGE - (1 << 32))
        self.arithmetic_immediate(AND, RDX, TLB_INDEX)
        self.memory(0x3b, RCX, RBX, RDX, 0, WRITE_TAG if write else READ_TAG, 4, 1)
        self.misses.append(Miss(self.jump_if(NE), retry, self.index, size | int(write) << 8))
        self.memory(0x03, RAX, RBX, RDX, 0, ADDEND, 4, 1)

    def at_operand(self, code, reg, size):
        """An instruction with the memory that has been accessed."""
        self.memory(code, reg, RDI, self.place, 0, 0, size)

    def free_accumulator(self):
        """The place of the access moves from RAX to RDX."""
        self.registers(0x89, RAX, RDX, 4, 1)
        self.place = RDX

    # -- operands

    def read(self, operand, size):
        """The register that holds an operand, zero-extended: RCX, or its own if it has 32 bits. Uses all three."""
        if isinstance(operand, Register):
            if size == 4:
                return R8 + operand.number
            if isinstance(operand, Register8High):
                self.save_flags()
                self.zero_extend(RCX, R8 + operand.number, 2)
                self.shift(5, RCX, 8)
            else:
                self.zero_extend(RCX, R8 + operand.number, size)
        elif isinstance(operand, Immediate):
            self.move_immediate(RCX, operand.value)
        else:
            assert isinstance(operand, Memory)
            self.access(operand, size, False)
            if size == 4:
                self.at_operand(0x8b, RCX, 4)
            else:
                self.at_operand(0x0fb6 | int(size == 2), RCX, 4)
        return RCX

    def write_register(self, operand, size, source):
        """A register := the low bytes of a host register other than RDX. Changes the host's flags for AH to BH, so the guest's must not be there."""
        assert isinstance(operand, Register)
        to = R8 + operand.number
        if isinstance(operand, Register8High):
            self.zero_extend(RDX, source, 1)
            self.shift(4, RDX, 8)
            self.arithmetic_immediate(AND, to, 0xffff00ff - (1 << 32))
            self.arithmetic(OR, to, RDX)
        else:
            self.registers(0x88 | int(size != 1), source, to, size)

    # -- operations that are called

    def perform(self):
        """Have `runner.perform` do the operation. Behind the call EAX says how that ended, and the flags are in the frame."""
        self.save_flags()
        self.move_immediate(RAX, self.number)
        self.move_immediate(RCX, self.index)
        self.call(self.performing)
        self.leave_at(self.jump_if(E))
        self.flags = IN_FRAME
        self.adjust_is_wrong = False
        return True

    def perform_terminator(self):
        self.perform()
        self.arithmetic_immediate(CMP, RAX, frame.PERFORMED)
        self.retire()
        self.exits.append(Exit(self.jump_if(NE), -1, -1, False))
        self.go_to(self.block.terminator.next)
        return True

    # -- ways out

    def leave_at(self, jump):
        """A jump to the interpreter at this operation."""
        self.exits.append(Exit(jump, self.index, 0, False))

    def retire(self):
        """The instructions of the block are done. Keeps the host's flags."""
        self.lea_quad(RSI, RSI, self.block.count)

    def retire_but_one(self):
        """The instructions before the last are done."""
        self.lea_quad(RSI, RSI, self.block.count - 1)

    def go_to(self, eip):
        """Behind `retire`: on to a constant EIP."""
        block = self.block
        page = block.page
        here = eip & PAGE == page.base
        if block.checks or eip < block.end or not here:
            self.look_at_events(eip)
        if here and eip & 0xfff <= LAST_WHOLE:
            self.exits.append(Exit(self.jump(), -1, eip, True))
            return
        slot = frame.cache_slot(eip)
        self.move_immediate(RAX, eip)
        self.memory(0x0b, RAX, RBP, NO_INDEX, 0, frame.KEY, 4, 1)
        self.memory(0x3b, RAX, RBP, NO_INDEX, 0, slot, 4, 1)
        self.exits.append(Exit(self.jump_if(NE), -1, eip, False))
        self.memory(0xff, 4, RBP, NO_INDEX, 0, slot + 8)

    def look_at_events(self, eip):
        self.memory(0x3b, RSI, RBP, NO_INDEX, 0, frame.DEADLINE, 4, 1)
        self.exits.append(Exit(self.jump_if(GE), -1, eip, False))

    def check_target(self, register):
        """Before anything changes: an indirect target beyond CS."""
        limit = self.block.page.mode.cs_limit
        if limit != M32:
            self.save_flags()
            self.arithmetic_immediate(CMP, register, signed(limit, 4))
            self.leave_at(self.jump_if(A))

    def go_to_register(self):
        """On to the EIP in EAX."""
        self.save_flags()
        self.store(RAX, RBP, frame.EIP)
        self.retire()
        self.look_at_events(-1)
        self.move(RCX, RAX)
        self.move(RDX, RAX)
        self.shift(5, RCX, 12)
        self.arithmetic(XOR, RCX, RDX)
        self.arithmetic_immediate(AND, RCX, frame.CACHE_ENTRIES - 1)
        self.shift(4, RCX, 4)
        self.memory(0x0b, RAX, RBP, NO_INDEX, 0, frame.KEY, 4, 1)
        self.memory(0x3b, RAX, RBP, RCX, 0, frame.CACHE, 4, 1)
        self.exits.append(Exit(self.jump_if(NE), -1, -1, False))
        self.memory(0xff, 4, RBP, RCX, 0, frame.CACHE + 8)
