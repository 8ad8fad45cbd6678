"""From bytes to the operations of the table: each form's operands and its class."""
from hyper.cpu.models import model as models
from hyper.cpu.operations.sse import compute, halves, move, quick, system
from hyper.cpu.operations.sse.operands import General, InImage, InMemory, SCRATCH, mmx, xmm
from hyper.cpu.operations.sse.table import BY_KEY, F2, F3, MAP_0F, MAP_0F3A, MMX, NP, P66, SSE, SSE3, key


def decode(d, map, opcode):
    """An instruction of one of the maps, with ModR/M read; None for what is none, or not on this model."""
    entry = BY_KEY.get(key(map, mandatory_prefix(d), opcode, d.reg, d.mod == 3), None)
    if entry is None or not has_feature(d.system.model, entry.feature):
        pass_operands(d, map, opcode)
        return None
    if entry.number < 0:
        return decode_move(d, entry)
    source = decode_source(d, entry)
    immediate = d.u8() if entry.immediate else 0
    kind = entry.target.kind
    name = entry.name
    if name in COMPARISONS:
        return quick.Compare(entry.number, xmm(d.reg), source, entry.source.size)
    if name in quick.KINDS:
        return quick.arithmetic(quick.KINDS[name], entry.number, xmm(d.reg), source, entry.source.size)
    if name == 'CVTSI2SS' or name == 'CVTSI2SD':
        return quick.FromInteger(entry.number, xmm(d.reg), source, entry.target.size)
    if name == 'CVTSS2SD' or name == 'CVTSD2SS':
        return quick.Convert(entry.number, xmm(d.reg), source, entry.target.size)
    if d.mod == 3 and kind == 'V' and name in halves.KINDS:
        return halves.halves(halves.KINDS[name], xmm(d.reg), xmm(d.rm))
    if kind == 'G':
        return compute.ComputeGeneral(entry, d.reg, source, immediate)
    if kind == 'P':
        return compute.ComputeMMX(entry, mmx(d.reg), source, immediate)
    if kind == 'N':
        return compute.ComputeMMX(entry, mmx(d.rm), source, immediate)
    if kind == 'U':
        return compute.Compute(entry, xmm(d.rm), source, immediate)
    return compute.Compute(entry, xmm(d.reg), source, immediate)


def pass_operands(d, map, opcode):
    """Read the whole of what is no instruction: it must be fetched before it is #UD."""
    if d.mod != 3:
        d.memory_operand(1)
    if map == MAP_0F3A or map == MAP_0F and (0x70 <= opcode <= 0x73 or opcode == 0xc2 or 0xc4 <= opcode <= 0xc6):
        d.u8()


COMPARISONS = ['COMISS', 'COMISD', 'UCOMISS', 'UCOMISD']


def mandatory_prefix(d):
    """F2 and F3 go before 66."""
    if d.repeat == 0xf3:
        return F3
    if d.repeat == 0xf2:
        return F2
    if (d.operand_size == 2) == d.mode.code32:
        return P66
    return NP


def memory(d, entry, size):
    return InMemory(d.memory_operand(4), size, 15 if size == 16 and entry.aligned else 0)


def decode_source(d, entry):
    source = entry.source
    kind = source.kind
    if kind == 'V':
        return InImage(xmm(d.reg) + source.offset)
    if kind == 'P':
        return InImage(mmx(d.reg))
    if kind == 'G':
        return General(d.reg)
    if kind == 'I':
        return InImage(SCRATCH)         # not looked at: what the operation needs is the immediate
    if d.mod != 3:
        return memory(d, entry, source.size)
    if kind == 'E':
        return General(d.rm)
    if kind == 'Q' or kind == 'N':
        return InImage(mmx(d.rm))
    return InImage(xmm(d.rm) + source.offset)


def decode_move(d, entry):
    target = entry.target
    kind = target.kind
    if d.mod != 3 and (kind == 'M' or kind == 'W' or kind == 'Q' or kind == 'E'):
        operand = memory(d, entry, target.size)
        if entry.source.kind == 'G':
            return move.StoreFromGeneral(operand, d.reg)
        if entry.source.kind == 'P':
            return move.Store(entry, operand, mmx(d.reg))
        return move.Store(entry, operand, xmm(d.reg) + entry.source.offset)
    if kind == 'E':
        return move.StoreGeneral(entry, d.rm, mmx(d.reg) if entry.mmx else xmm(d.reg))
    source = decode_source(d, entry)
    if kind == 'V':
        return move.Load(entry, xmm(d.reg) + target.offset, source)
    if kind == 'P':
        return move.LoadMMX(entry, mmx(d.reg), source)
    if kind == 'Q':
        return move.LoadMMX(entry, mmx(d.rm), source)
    return move.Load(entry, xmm(d.rm), source)


def has_feature(model, feature):
    if feature >= SSE3:
        return model.more_features & (models.SSE3 if feature == SSE3 else models.SSSE3) != 0
    return model.features & (models.MMX if feature == MMX else models.SSE if feature == SSE else models.SSE2) != 0


def masked_move(d, target, is_mmx):
    """MASKMOVQ or MASKMOVDQU: to `target`, bytes of ModRM.reg chosen by ModRM.rm."""
    if is_mmx:
        return system.MaskedMove(target, mmx(d.reg), mmx(d.rm), True)
    return system.MaskedMove(target, xmm(d.reg), xmm(d.rm), False)
