"""What the templates of SSE instructions share. XMM registers stay in the FPU's image; host registers XMM0 and XMM1 hold operands for an instruction.

Only those have templates that cannot raise an exception of MXCSR: the host's own instruction does the same with the same bits.
"""
from hyper.cpu.operations.sse.operands import General, InImage, InMemory
from hyper.cpu.operations.sse.table import F2, F3, P66
from hyper.cpu.templates import frame
from hyper.cpu.templates.assembler import CMP, E, NO_INDEX, R8, RCX, RDI, RDX, RBP

XMM0, XMM1 = 0, 1
LOAD, STORE = 0x0f10, 0x0f11            # MOVUPD, with the prefix of 16-bit operands


def has_template(c, operand, size):
    if isinstance(operand, InMemory):
        return operand.size == size and c.has_template(operand.operand)
    return isinstance(operand, InImage) or (size == 4 and isinstance(operand, General))


def begin(c):
    """Leave where SSE instructions are not allowed."""
    c.save_flags()
    c.memory(0x80, CMP, RBP, NO_INDEX, 0, frame.SSE, 1)
    c.byte(0)
    c.leave_at(c.jump_if(E))


def image(c):
    """RCX := the FPU's image."""
    c.load_quad(RCX, RBP, frame.FPU)


def access(c, operand, size, write):
    assert isinstance(operand, InMemory)
    c.access(operand.operand, size, write, operand.mask)


def load_xmm(c, register, operand):
    """A host register := an operand of 16 bytes. Leaves the image in RCX."""
    if isinstance(operand, InImage):
        image(c)
        c.memory(LOAD, register, RCX, NO_INDEX, 0, operand.at, 2)
    else:
        access(c, operand, 16, False)
        c.at_operand(LOAD, register, 2)
        image(c)


def load_general(c, operand, size):
    """RDX := an operand of 4 or 8 bytes. Leaves the image in RCX."""
    wide = int(size == 8)
    if isinstance(operand, InMemory):
        access(c, operand, size, False)
        c.memory(0x8b, RDX, RDI, c.place, 0, 0, 4, wide)
        image(c)
    else:
        image(c)
        if isinstance(operand, General):
            c.move(RDX, R8 + operand.number)
        else:
            assert isinstance(operand, InImage)
            c.memory(0x8b, RDX, RCX, NO_INDEX, 0, operand.at, 4, wide)


def instruction(c, entry, reg, rm):
    """The host's own, of registers."""
    size = 2 if entry.prefix == P66 else 4
    if entry.prefix == F2:
        c.byte(0xf2)
    elif entry.prefix == F3:
        c.byte(0xf3)
    c.registers(0x0f00 | entry.opcode, reg, rm, size)
