import random

from hyper.board import chipset
from hyper.board.pci import Function, Pci
from hyper.board.chipset import IsaBridge

from board_parts import Board

PIRQ = 0x60


class Echo(Function):
    """Sixteen ports that remember the last write."""

    def __init__(self):
        Function.__init__(self, 0x1234, 0x5678, 3, 0xff0000)
        self.add_io_bar(0, 16)
        self.add_interrupt_pin(1)
        self.last = (0, 0, 0)

    def read_io(self, bar, offset, size):
        return 0xa0 + offset

    def write_io(self, bar, offset, size, value):
        self.last = (offset, size, value)


class PciBoard(Board):
    def __init__(self, slots=(3,)):
        Board.__init__(self)
        self.pci = Pci(self.bus)
        self.bridge = IsaBridge(self.wires)
        self.pci.router = self.bridge.router
        self.pci.add(1, 0, self.bridge)
        self.devices = []
        for slot in slots:
            self.devices.append(Echo())
            self.pci.add(slot, 0, self.devices[-1])
        self.pci.connect()

    def select(self, slot, register, function=0):
        self.bus.write_port(0xcf8, 4, 0x80000000 | slot << 11 | function << 8 | register & 0xfc)

    def read(self, slot, register, size=4):
        self.select(slot, register)
        return self.bus.read_port(0xcfc + (register & 3), size)

    def write(self, slot, register, value, size=4):
        self.select(slot, register)
        self.bus.write_port(0xcfc + (register & 3), size, value)


def test_a_function_shows_its_ids_at_every_width_and_an_empty_slot_all_ones():
    board = PciBoard()
    assert board.read(3, 0) == 0x56781234
    assert board.read(3, 2, 2) == 0x5678 and board.read(3, 1, 1) == 0x12
    assert board.read(3, 8) == 0xff000003
    assert board.read(4, 0) == 0xffffffff
    board.bus.write_port(0xcf8, 4, 0x80010000 | 3 << 11)        # bus 1
    assert board.bus.read_port(0xcfc, 4) == 0xffffffff
    board.bus.write_port(0xcf8, 4, 3 << 11)                     # not enabled
    assert board.bus.read_port(0xcfc, 4) == 0xffffffff


def test_only_a_doubleword_reaches_the_address_register():
    board = PciBoard()
    board.bus.write_port(0xcf8, 4, 0xffffffff)
    assert board.bus.read_port(0xcf8, 4) == 0x80fffffc
    for port, size in [(0xcf8, 1), (0xcf8, 2), (0xcfa, 1), (0xcf9, 4)]:
        board.bus.write_port(port, size, 0)
    assert board.bus.read_port(0xcf8, 4) == 0x80fffffc
    assert board.bus.read_port(0xcf8, 1) == 0xff


def test_ids_cannot_be_written_and_an_access_ends_with_its_doubleword():
    board = PciBoard()
    board.write(3, 0, 0)
    assert board.read(3, 0) == 0x56781234
    board.write(3, 0x3c, 0x1122334455 & 0xffffffff)
    assert board.read(3, 0x3c) == 0x0155                        # the line, and the pin that stays
    board.select(3, 0x3c)
    assert board.bus.read_port(0xcfe, 4) == 0xffff0000


def test_a_bar_tells_its_size_and_its_ports_move_with_it():
    board = PciBoard()
    board.write(3, 0x10, 0xffffffff)
    assert board.read(3, 0x10) == 0xfffffff1
    board.write(3, 0x10, 0xc121)
    assert board.read(3, 0x10) == 0xc121
    assert board.inb(0xc125) == 0xff                            # I/O space is still off
    board.write(3, 4, 1, 2)
    assert board.inb(0xc125) == 0xa5
    board.bus.write_port(0xc128, 4, 0x12345678)
    assert board.devices[0].last == (8, 4, 0x12345678)
    board.write(3, 0x10, 0xd000)
    assert board.inb(0xc125) == 0xff and board.inb(0xd00f) == 0xaf
    assert board.bus.read_port(0xd00e, 4) == 0xffffffff         # runs past its end
    board.write(3, 4, 0, 2)
    assert board.inb(0xd00f) == 0xff


def test_a_bar_over_other_ports_takes_none_of_them():
    board = PciBoard(slots=(3, 4))
    for slot in (3, 4):
        board.write(slot, 4, 1, 2)
        board.write(slot, 0x10, 0xcf1)                          # CF0..CFF: over the configuration ports themselves
    assert board.read(3, 0) == 0x56781234
    assert board.inb(0xcf0) == 0xa0
    board.write(3, 0x10, 0xe001)
    board.bus.write_port(0xcf0, 1, 7)
    assert board.devices[1].last == (0, 1, 7) and board.devices[0].last == (0, 0, 0)


def test_wires_are_turned_by_slot_routed_by_the_bridge_and_shared():
    board = PciBoard(slots=(3, 4, 7))
    for wire, irq in enumerate([5, 9, 10, 11]):
        board.write(1, PIRQ + wire, irq, 1)
    first, second, third = board.devices
    first.set_interrupt(True)                                   # slot 3, INTA#: wire 2
    assert [irq for irq in range(16) if board.wires.level[irq]] == [10]
    second.set_interrupt(True)                                  # slot 4: wire 3
    third.set_interrupt(True)                                   # slot 7: wire 2 again
    assert [irq for irq in range(16) if board.wires.level[irq]] == [10, 11]
    first.set_interrupt(False)
    assert board.wires.level[10]
    third.set_interrupt(False)
    assert not board.wires.level[10]


def test_a_route_that_is_off_or_reserved_interrupts_nobody_and_rerouting_moves_the_level():
    board = PciBoard()
    board.devices[0].set_interrupt(True)
    assert not any(board.wires.level)
    for irq in (0, 1, 2, 8, 13):
        board.write(1, PIRQ + 2, irq, 1)
        assert not any(board.wires.level)
    board.write(1, PIRQ + 2, 11, 1)
    assert board.wires.level[11]
    board.write(1, PIRQ + 2, 5, 1)
    assert board.wires.level[5] and not board.wires.level[11]
    board.write(1, PIRQ + 2, 0x85, 1)
    assert not any(board.wires.level)


def test_the_command_register_can_silence_a_function_whose_status_still_tells():
    board = PciBoard()
    board.write(1, PIRQ + 2, 11, 1)
    board.devices[0].set_interrupt(True)
    board.write(3, 4, 0x400, 2)
    assert not board.wires.level[11] and board.read(3, 6, 1) == 0x08
    board.write(3, 4, 0, 2)
    assert board.wires.level[11]


def test_firmware_leaves_bars_lines_and_routes():
    board = PciBoard(slots=(3, 4))
    board.pci.add(0, 0, chipset.HostBridge())
    from hyper.board.pic import PicPair
    pics = PicPair(board.listener)
    chipset.set_up(board.pci, board.bridge, pics)
    assert board.read(3, 0x10) == 0xc001 and board.read(4, 0x10) == 0xc011
    assert board.inb(0xc00f) == 0xaf and board.inb(0xc010) == 0xa0
    assert board.read(3, 0x3c, 1) == 11 and board.read(1, PIRQ + 2, 1) == 11
    assert pics.slave.level == 0x0e                             # with the SCI
    assert board.read(0, 0) == 0x12378086


def test_random_configuration_and_port_accesses_do_no_harm():
    random.seed(11)
    board = PciBoard(slots=(3, 4, 5))
    for i in range(20000):
        size = random.choice([1, 2, 4])
        value = random.choice([0, 0xffffffff, random.getrandbits(32), random.getrandbits(16) & ~15 | 1])
        what = random.randrange(4)
        if what == 0:
            board.select(random.choice([1, 3, 4, 5, random.randrange(32)]),
                         random.choice([4, 0x10, 0x3c, PIRQ, random.randrange(256)]))
        elif what == 1:
            board.bus.write_port(random.choice([0xcf8] + range(0xcfc, 0xd00)), size, value & (1 << 8 * size) - 1)
        elif what == 2:
            board.devices[random.randrange(3)].set_interrupt(random.randrange(2) == 1)
        else:
            port = random.choice([0xcf8, 0xcfc, 0xcfe, random.getrandbits(16)])
            assert 0 <= board.bus.read_port(port, size) < 1 << 8 * size
    for slot in range(32):                                      # whatever happened, no port of the mechanism is lost
        ids = board.read(slot, 0)
        assert (ids == 0x56781234) == (slot in (3, 4, 5))


def test_a_reset_restores_configuration_space_and_drops_the_wires():
    board = PciBoard()
    board.write(1, PIRQ + 2, 11, 1)
    board.write(3, 0x10, 0xc001)
    board.write(3, 4, 1, 2)
    board.devices[0].set_interrupt(True)
    board.pci.reset()
    assert board.read(3, 0x10) == 1 and board.read(1, PIRQ + 2, 1) == 0x80
    assert board.inb(0xc000) == 0xff and not any(board.pci.levels)
