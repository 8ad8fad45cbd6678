import struct

from hyper.loader import mp_table

SIZES = {0: 20, 1: 8, 2: 8, 3: 8, 4: 8}


def test_the_pointer_leads_to_a_table_whose_entries_are_as_many_as_it_says():
    text = mp_table.tables(0xf1000, 0x6f7, 0x200)
    assert text[:4] == '_MP_' and struct.unpack_from('<I', text, 4)[0] == 0xf1010 and sum(map(ord, text[:16])) & 0xff == 0
    table = text[16:]
    assert table[:4] == 'PCMP' and struct.unpack_from('<H', table, 4)[0] == len(table) and sum(map(ord, table)) & 0xff == 0
    count = struct.unpack_from('<H', table, 34)[0]
    at = 44
    kinds = []
    for i in range(count):
        kinds.append(ord(table[at]))
        at += SIZES[kinds[-1]]
    assert at == len(table) and kinds == sorted(kinds) and kinds.count(0) == 1 and kinds.count(2) == 1


def test_the_timer_is_at_input_2_and_pci_pins_are_levels_at_their_lines():
    table = mp_table.table(0x6f7, 0x200)
    assert '\x03\x00\x00\x00\x01\x00\x01\x02' in table
    assert '\x03\x00\x0d\x00\x00' + chr(3 << 2) + '\x01\x0b' in table
    assert '\x04\x03\x00\x00\x01\x00\xff\x00' in table
