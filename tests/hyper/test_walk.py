from hyper.walk import walk

PG = 1 << 31
PSE = 1 << 4


class Words(dict):
    def read32(self, address):
        return self.get(address, 0)


def test_without_paging_linear_is_physical():
    assert walk(Words(), 0, 0, 0, 0x123456789) == 0x23456789


def test_small_pages_large_pages_and_holes():
    memory = Words({0x1000 + 4 * 0x300: 0x2003, 0x2000 + 4 * 5: 0x7001, 0x1000 + 4 * 1: 0x00800083})
    assert walk(memory, PG, 0x1018, PSE, 0xc0005abc) == 0x7abc
    assert walk(memory, PG, 0x1000, PSE, 0xc0006000) == -1
    assert walk(memory, PG, 0x1000, PSE, 0x00412345) == 0x00812345
    assert walk(memory, PG, 0x1000, PSE, 0x80000000) == -1
    assert walk(memory, PG, 0x1000, 0, 0x00412345) == -1        # without CR4.PSE it is a table, here of zeros
