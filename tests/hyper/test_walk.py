from hyper.walk import walk

PG = 1 << 31
PSE, PAE = 1 << 4, 1 << 5


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


def test_pages_of_pae_and_frames_above_4_gb():
    memory = Words({0x1020 + 8 * 3: 0x2001, 0x2000 + 8 * 1: 0x3003, 0x2000 + 8 * 2: 0x00600083, 0x2004 + 8 * 2: 0x80000002,
                    0x3000 + 8 * 5: 0x7001, 0x3004 + 8 * 5: 0x80000001})
    assert walk(memory, PG, 0x1020, PAE, 0xc0205abc) == 0x100007abc
    assert walk(memory, PG, 0x1020, PAE, 0xc0206abc) == -1
    assert walk(memory, PG, 0x1020, PAE, 0xc0412345) == 0x200612345
    assert walk(memory, PG, 0x1020, PAE, 0x40000000) == -1
    assert walk(Words({0x1000: 0x2083}), PG, 0x1000, PSE, 0x123456) == 0x100123456          # PSE-36
