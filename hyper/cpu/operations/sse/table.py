"""The opcode map of MMX and SSE (SDM vol. 2, appendix A): one row for each form.

Operands are named as in the manual. P: the MMX register of ModRM.reg; Q: an MMX register or memory; N: an MMX register in ModRM.rm; V, W, U: the same
with XMM registers; G: the general register of ModRM.reg; E: a general register or memory; M: memory; I: an immediate byte. Behind the letter stands
what is accessed: b, w, d, q, dq of integers; ss, sd, ps, pd of floating-point numbers; lo and hi are the halves of an XMM register; with z the rest
of the register becomes zero.

No module of hyper is imported here: tests/oracle reads this file with Python 2 and 3.
"""
MMX, SSE, SSE2, SSE3, SSSE3 = range(5)      # features
NP, P66, F3, F2 = range(4)                  # mandatory prefixes
MAP_0F, MAP_0F38, MAP_0F3A = range(3)

SIZES = {'b': 1, 'w': 2, 'd': 4, 'ss': 4, 'zd': 4, 'q': 8, 'sd': 8, 'pi': 8, 'lo': 8, 'hi': 8, 'zq': 8, 'dq': 16, 'ps': 16, 'pd': 16}

# Rows: mandatory prefix, opcode, name, operands; in lists by the feature that brought them

# -- moves: no arithmetic, so no exceptions of MXCSR

MOVES = [
    (MMX, [
        (NP, 0x6e, 'MOVD', 'Pzd,Ed'), (NP, 0x7e, 'MOVD', 'Ed,Pd'), (NP, 0x6f, 'MOVQ', 'Pq,Qq'), (NP, 0x7f, 'MOVQ', 'Qq,Pq'),
    ]),
    (SSE, [
        (NP, 0x10, 'MOVUPS', 'Vps,Wps'), (NP, 0x11, 'MOVUPS', 'Wps,Vps'), (NP, 0x28, 'MOVAPS', 'Vps,Wps'), (NP, 0x29, 'MOVAPS', 'Wps,Vps'),
        (F3, 0x10, 'MOVSS', 'Vzd,Md'), (F3, 0x10, 'MOVSS', 'Vss,Uss'), (F3, 0x11, 'MOVSS', 'Wss,Vss'),
        (NP, 0x12, 'MOVLPS', 'Vlo,Mq'), (NP, 0x12, 'MOVHLPS', 'Vlo,Uhi'), (NP, 0x13, 'MOVLPS', 'Mq,Vlo'),
        (NP, 0x16, 'MOVHPS', 'Vhi,Mq'), (NP, 0x16, 'MOVLHPS', 'Vhi,Ulo'), (NP, 0x17, 'MOVHPS', 'Mq,Vhi'),
        (NP, 0x2b, 'MOVNTPS', 'Mps,Vps'), (NP, 0xe7, 'MOVNTQ', 'Mq,Pq'),
    ]),
    (SSE2, [
        (P66, 0x10, 'MOVUPD', 'Vpd,Wpd'), (P66, 0x11, 'MOVUPD', 'Wpd,Vpd'), (P66, 0x28, 'MOVAPD', 'Vpd,Wpd'), (P66, 0x29, 'MOVAPD', 'Wpd,Vpd'),
        (F2, 0x10, 'MOVSD', 'Vzq,Mq'), (F2, 0x10, 'MOVSD', 'Vsd,Usd'), (F2, 0x11, 'MOVSD', 'Wsd,Vsd'),
        (P66, 0x12, 'MOVLPD', 'Vlo,Mq'), (P66, 0x13, 'MOVLPD', 'Mq,Vlo'), (P66, 0x16, 'MOVHPD', 'Vhi,Mq'), (P66, 0x17, 'MOVHPD', 'Mq,Vhi'),
        (P66, 0x2b, 'MOVNTPD', 'Mpd,Vpd'), (P66, 0xe7, 'MOVNTDQ', 'Mdq,Vdq'),
        (P66, 0x6e, 'MOVD', 'Vzd,Ed'), (P66, 0x7e, 'MOVD', 'Ed,Vd'), (F3, 0x7e, 'MOVQ', 'Vzq,Wq'), (P66, 0xd6, 'MOVQ', 'Mq,Vq'), (P66, 0xd6, 'MOVQ', 'Uzq,Vq'),
        (P66, 0x6f, 'MOVDQA', 'Vdq,Wdq'), (P66, 0x7f, 'MOVDQA', 'Wdq,Vdq'), (F3, 0x6f, 'MOVDQU', 'Vdq,Wdq'), (F3, 0x7f, 'MOVDQU', 'Wdq,Vdq'),
        (F2, 0xd6, 'MOVDQ2Q', 'Pq,Uq'), (F3, 0xd6, 'MOVQ2DQ', 'Vzq,Nq'), (NP, 0xc3, 'MOVNTI', 'Md,Gd'),
    ]),
    (SSE3, [(F2, 0xf0, 'LDDQU', 'Vdq,Mdq')]),
]
UNALIGNED = ['MOVUPS', 'MOVUPD', 'MOVDQU', 'LDDQU']

# -- floating-point numbers: four instructions of one opcode, PS and PD, SS and SD


def four(opcode, name):
    return [(SSE, [(NP, opcode, name + 'PS', 'Vps,Wps'), (F3, opcode, name + 'SS', 'Vss,Wss')]),
            (SSE2, [(P66, opcode, name + 'PD', 'Vpd,Wpd'), (F2, opcode, name + 'SD', 'Vsd,Wsd')])]


FOUR = [(0x51, 'SQRT'), (0x58, 'ADD'), (0x59, 'MUL'), (0x5c, 'SUB'), (0x5d, 'MIN'), (0x5e, 'DIV'), (0x5f, 'MAX')]

FLOATING = [
    (SSE, [
        (NP, 0x52, 'RSQRTPS', 'Vps,Wps'), (F3, 0x52, 'RSQRTSS', 'Vss,Wss'), (NP, 0x53, 'RCPPS', 'Vps,Wps'), (F3, 0x53, 'RCPSS', 'Vss,Wss'),
        (NP, 0xc2, 'CMPPS', 'Vps,Wps,Ib'), (F3, 0xc2, 'CMPSS', 'Vss,Wss,Ib'),
        (NP, 0x2a, 'CVTPI2PS', 'Vps,Qpi'), (F3, 0x2a, 'CVTSI2SS', 'Vss,Ed'), (NP, 0x2c, 'CVTTPS2PI', 'Ppi,Wq'), (F3, 0x2c, 'CVTTSS2SI', 'Gd,Wss'),
        (NP, 0x2d, 'CVTPS2PI', 'Ppi,Wq'), (F3, 0x2d, 'CVTSS2SI', 'Gd,Wss'), (NP, 0x2e, 'UCOMISS', 'Vss,Wss'), (NP, 0x2f, 'COMISS', 'Vss,Wss'),
    ]),
    (SSE2, [
        (P66, 0xc2, 'CMPPD', 'Vpd,Wpd,Ib'), (F2, 0xc2, 'CMPSD', 'Vsd,Wsd,Ib'),
        # from memory it does not touch the MMX registers, unlike CVTPI2PS
        (P66, 0x2a, 'CVTPI2PD', 'Vpd,Npi'), (P66, 0x2a, 'CVTPI2PD', 'Vpd,Mpi'), (F2, 0x2a, 'CVTSI2SD', 'Vsd,Ed'), (P66, 0x2c, 'CVTTPD2PI', 'Ppi,Wpd'), (F2, 0x2c, 'CVTTSD2SI', 'Gd,Wsd'),
        (P66, 0x2d, 'CVTPD2PI', 'Ppi,Wpd'), (F2, 0x2d, 'CVTSD2SI', 'Gd,Wsd'), (P66, 0x2e, 'UCOMISD', 'Vsd,Wsd'), (P66, 0x2f, 'COMISD', 'Vsd,Wsd'),
        (NP, 0x5a, 'CVTPS2PD', 'Vpd,Wq'), (P66, 0x5a, 'CVTPD2PS', 'Vps,Wpd'), (F3, 0x5a, 'CVTSS2SD', 'Vsd,Wss'), (F2, 0x5a, 'CVTSD2SS', 'Vss,Wsd'),
        (NP, 0x5b, 'CVTDQ2PS', 'Vps,Wdq'), (P66, 0x5b, 'CVTPS2DQ', 'Vdq,Wps'), (F3, 0x5b, 'CVTTPS2DQ', 'Vdq,Wps'),
        (F3, 0xe6, 'CVTDQ2PD', 'Vpd,Wq'), (P66, 0xe6, 'CVTTPD2DQ', 'Vdq,Wpd'), (F2, 0xe6, 'CVTPD2DQ', 'Vdq,Wpd'),
    ]),
    (SSE3, [
        (P66, 0xd0, 'ADDSUBPD', 'Vpd,Wpd'), (F2, 0xd0, 'ADDSUBPS', 'Vps,Wps'), (P66, 0x7c, 'HADDPD', 'Vpd,Wpd'), (F2, 0x7c, 'HADDPS', 'Vps,Wps'),
        (P66, 0x7d, 'HSUBPD', 'Vpd,Wpd'), (F2, 0x7d, 'HSUBPS', 'Vps,Wps'),
    ]),
]

# -- bits: logic and shuffles of floating-point operands

BITS = [
    (SSE, [
        (NP, 0x14, 'UNPCKLPS', 'Vps,Wps'), (NP, 0x15, 'UNPCKHPS', 'Vps,Wps'), (NP, 0xc6, 'SHUFPS', 'Vps,Wps,Ib'), (NP, 0x50, 'MOVMSKPS', 'Gd,Ups'),
        (NP, 0x54, 'ANDPS', 'Vps,Wps'), (NP, 0x55, 'ANDNPS', 'Vps,Wps'), (NP, 0x56, 'ORPS', 'Vps,Wps'), (NP, 0x57, 'XORPS', 'Vps,Wps'),
    ]),
    (SSE2, [
        (P66, 0x14, 'UNPCKLPD', 'Vpd,Wpd'), (P66, 0x15, 'UNPCKHPD', 'Vpd,Wpd'), (P66, 0xc6, 'SHUFPD', 'Vpd,Wpd,Ib'), (P66, 0x50, 'MOVMSKPD', 'Gd,Upd'),
        (P66, 0x54, 'ANDPD', 'Vpd,Wpd'), (P66, 0x55, 'ANDNPD', 'Vpd,Wpd'), (P66, 0x56, 'ORPD', 'Vpd,Wpd'), (P66, 0x57, 'XORPD', 'Vpd,Wpd'),
    ]),
    (SSE3, [(F2, 0x12, 'MOVDDUP', 'Vpd,Wq'), (F3, 0x12, 'MOVSLDUP', 'Vps,Wps'), (F3, 0x16, 'MOVSHDUP', 'Vps,Wps')]),
]

# -- integers on MMX registers, and with prefix 66 on XMM registers: the feature that brought the first form (the second is SSE2's, or SSSE3's), opcode, name

TWINS = [
    (MMX, [
        (0x61, 'PUNPCKLWD'), (0x60, 'PUNPCKLBW'), (0x62, 'PUNPCKLDQ'), (0x63, 'PACKSSWB'), (0x64, 'PCMPGTB'), (0x65, 'PCMPGTW'), (0x66, 'PCMPGTD'),
        (0x67, 'PACKUSWB'), (0x68, 'PUNPCKHBW'), (0x69, 'PUNPCKHWD'), (0x6a, 'PUNPCKHDQ'), (0x6b, 'PACKSSDW'), (0x74, 'PCMPEQB'), (0x75, 'PCMPEQW'),
        (0x76, 'PCMPEQD'), (0xd1, 'PSRLW'), (0xd2, 'PSRLD'), (0xd3, 'PSRLQ'), (0xd5, 'PMULLW'), (0xd8, 'PSUBUSB'), (0xd9, 'PSUBUSW'), (0xdb, 'PAND'),
        (0xdc, 'PADDUSB'), (0xdd, 'PADDUSW'), (0xdf, 'PANDN'), (0xe1, 'PSRAW'), (0xe2, 'PSRAD'), (0xe5, 'PMULHW'), (0xe8, 'PSUBSB'), (0xe9, 'PSUBSW'),
        (0xeb, 'POR'), (0xec, 'PADDSB'), (0xed, 'PADDSW'), (0xef, 'PXOR'), (0xf1, 'PSLLW'), (0xf2, 'PSLLD'), (0xf3, 'PSLLQ'), (0xf5, 'PMADDWD'),
        (0xf8, 'PSUBB'), (0xf9, 'PSUBW'), (0xfa, 'PSUBD'), (0xfc, 'PADDB'), (0xfd, 'PADDW'), (0xfe, 'PADDD'),
    ]),
    (SSE, [
        (0xda, 'PMINUB'), (0xde, 'PMAXUB'), (0xe0, 'PAVGB'), (0xe3, 'PAVGW'), (0xe4, 'PMULHUW'), (0xea, 'PMINSW'), (0xee, 'PMAXSW'), (0xf6, 'PSADBW'),
    ]),
    (SSE2, [(0xd4, 'PADDQ'), (0xf4, 'PMULUDQ'), (0xfb, 'PSUBQ')]),
]
SSSE3_TWINS = [
    (0x00, 'PSHUFB'), (0x01, 'PHADDW'), (0x02, 'PHADDD'), (0x03, 'PHADDSW'), (0x04, 'PMADDUBSW'), (0x05, 'PHSUBW'), (0x06, 'PHSUBD'), (0x07, 'PHSUBSW'),
    (0x08, 'PSIGNB'), (0x09, 'PSIGNW'), (0x0a, 'PSIGND'), (0x0b, 'PMULHRSW'), (0x1c, 'PABSB'), (0x1d, 'PABSW'), (0x1e, 'PABSD'),
]
# with an operand of 32 bits where it is memory
HALF_OPERAND = ['PUNPCKLBW', 'PUNPCKLWD', 'PUNPCKLDQ']

INTEGERS = [
    (SSE, [
        (NP, 0x70, 'PSHUFW', 'Pq,Qq,Ib'), (NP, 0xc4, 'PINSRW', 'Pq,Ew,Ib'), (NP, 0xc5, 'PEXTRW', 'Gd,Nq,Ib'), (NP, 0xd7, 'PMOVMSKB', 'Gd,Nq'),
    ]),
    (SSE2, [
        (P66, 0x70, 'PSHUFD', 'Vdq,Wdq,Ib'), (F3, 0x70, 'PSHUFHW', 'Vdq,Wdq,Ib'), (F2, 0x70, 'PSHUFLW', 'Vdq,Wdq,Ib'),
        (P66, 0xc4, 'PINSRW', 'Vdq,Ew,Ib'), (P66, 0xc5, 'PEXTRW', 'Gd,Udq,Ib'), (P66, 0xd7, 'PMOVMSKB', 'Gd,Udq'),
        (P66, 0x6c, 'PUNPCKLQDQ', 'Vdq,Wdq'), (P66, 0x6d, 'PUNPCKHQDQ', 'Vdq,Wdq'),
    ]),
]

# -- groups 12 to 14: shifts by an immediate, named by ModRM.reg

SHIFTS = [
    (0x71, 2, 'PSRLW'), (0x71, 4, 'PSRAW'), (0x71, 6, 'PSLLW'), (0x72, 2, 'PSRLD'), (0x72, 4, 'PSRAD'), (0x72, 6, 'PSLLD'), (0x73, 2, 'PSRLQ'),
    (0x73, 6, 'PSLLQ'),
]
WIDE_SHIFTS = [(0x73, 3, 'PSRLDQ'), (0x73, 7, 'PSLLDQ')]

OF_BITS = ([row[2] for feature, rows in BITS + INTEGERS for row in rows] + [row[1] for feature, rows in TWINS for row in rows] +
           [row[2] for row in SHIFTS + WIDE_SHIFTS])

# -- those that are done by the function of another

SAME = {'ANDPS': 'pand', 'ANDPD': 'pand', 'ANDNPS': 'pandn', 'ANDNPD': 'pandn', 'ORPS': 'por', 'ORPD': 'por', 'XORPS': 'pxor', 'XORPD': 'pxor',
        'UNPCKLPS': 'punpckldq', 'UNPCKHPS': 'punpckhdq', 'UNPCKLPD': 'punpcklqdq', 'UNPCKHPD': 'punpckhqdq'}


class Operand(object):
    """kind: the letter; size: bytes; offset: 8 for the upper half of a register; clears: the rest of the register becomes zero."""
    _immutable_fields_ = ['kind', 'size', 'offset', 'clears']

    def __init__(self, text):
        self.kind = text[0]
        self.size = SIZES[text[1:]]
        self.offset = 8 if text[1:] == 'hi' else 0
        self.clears = text[1] == 'z'


class Entry(object):
    """One form of an instruction. group: ModRM.reg where that belongs to the opcode, or -1; immediate: whether an immediate byte follows; feature: which
    brought it; number: of its operation in arithmetic.c, -1 for a move; mmx, xmm: whether it uses those registers; aligned:
    a memory operand of 16 bytes must be aligned; same_on_host: it is on XMM registers, and nothing but their bits decides what it does, so that any
    host with SSE2 does the same."""
    _immutable_fields_ = ['map', 'prefix', 'opcode', 'group', 'name', 'operands', 'target', 'source', 'immediate', 'feature', 'number', 'mmx',
                          'xmm', 'aligned', 'same_on_host']

    def __init__(self, map, prefix, opcode, group, name, operands, feature, is_move):
        parts = operands.split(',')
        kinds = [part[0] for part in parts]
        self.map = map
        self.prefix = prefix
        self.opcode = opcode
        self.group = group
        self.name = name
        self.operands = operands
        self.target = Operand(parts[0])
        self.source = Operand(parts[1])
        self.immediate = 'I' in kinds
        self.feature = feature
        self.mmx = 'P' in kinds or 'Q' in kinds or 'N' in kinds
        self.xmm = 'V' in kinds or 'W' in kinds or 'U' in kinds
        self.aligned = name not in UNALIGNED
        self.same_on_host = name in OF_BITS and feature <= SSE2 and not self.mmx and self.source.kind != 'E'
        self.number = -1 if is_move else number_of(function_name(name, kinds))


FUNCTIONS = []          # names of the operations in arithmetic.c, in the order of their numbers


def number_of(function):
    if function not in FUNCTIONS:
        FUNCTIONS.append(function)
    return FUNCTIONS.index(function)


def function_name(name, kinds):
    """Operations on MMX registers alone end in _mm, shifts by an immediate have _imm."""
    function = SAME.get(name, name.lower())
    if kinds[1] == 'I':
        function += '_imm'
    if not name.startswith('CVT') and (kinds[0] in 'PN' or kinds[1] == 'N'):
        function += '_mm'
    return function


def _entries():
    made = []

    def add(map, feature, prefix, opcode, name, operands, group=-1, is_move=False):
        made.append(Entry(map, prefix, opcode, group, name, operands, feature, is_move))

    for feature, rows in MOVES:
        for prefix, opcode, name, operands in rows:
            add(MAP_0F, feature, prefix, opcode, name, operands, is_move=True)
    for table in [FLOATING, BITS, INTEGERS] + [four(opcode, name) for opcode, name in FOUR]:
        for feature, rows in table:
            for prefix, opcode, name, operands in rows:
                add(MAP_0F, feature, prefix, opcode, name, operands)
    for feature, rows in TWINS:
        for opcode, name in rows:
            add(MAP_0F, feature, NP, opcode, name, 'Pq,Qd' if name in HALF_OPERAND else 'Pq,Qq')
            add(MAP_0F, SSE2, P66, opcode, name, 'Vdq,Wdq')
    for opcode, name in SSSE3_TWINS:
        add(MAP_0F38, SSSE3, NP, opcode, name, 'Pq,Qq')
        add(MAP_0F38, SSSE3, P66, opcode, name, 'Vdq,Wdq')
    add(MAP_0F3A, SSSE3, NP, 0x0f, 'PALIGNR', 'Pq,Qq,Ib')
    add(MAP_0F3A, SSSE3, P66, 0x0f, 'PALIGNR', 'Vdq,Wdq,Ib')
    for opcode, group, name in SHIFTS:
        add(MAP_0F, MMX, NP, opcode, name, 'Nq,Ib', group)
        add(MAP_0F, SSE2, P66, opcode, name, 'Udq,Ib', group)
    for opcode, group, name in WIDE_SHIFTS:
        add(MAP_0F, SSE2, P66, opcode, name, 'Udq,Ib', group)
    return made


def key(map, prefix, opcode, group, in_register):
    """What `BY_KEY` finds an entry by; group is looked at only for those opcodes that are divided."""
    return ((map << 2 | prefix) << 8 | opcode) << 4 | (group if map == MAP_0F and 0x71 <= opcode <= 0x73 else 0) << 1 | int(in_register)


def _by_key():
    found = {}
    for entry in ENTRIES:
        kinds = [part[0] for part in entry.operands.split(',')]
        for in_register in (False, True):
            if [kind for kind in kinds if kind in ('QWENU' if in_register else 'QWEM')]:
                place = key(entry.map, entry.prefix, entry.opcode, entry.group, in_register)
                assert place not in found
                found[place] = entry
    return found


ENTRIES = _entries()
BY_KEY = _by_key()
OPCODES = sorted(set([entry.opcode for entry in ENTRIES if entry.map == MAP_0F]))
