"""Shadow page tables."""
from hyper.vmm.full.vtlb import DEVICE, FEWEST_FRAMES, FILLED, REFLECT, ShadowTables
from full_parts import A, BASE, D, Guest, P, PE_PG, PE_PG_WP, PS, SIZE, U, W, Recorder

POOL = 0xd0000
READ, WRITE, USER_READ, USER_WRITE, FETCH, USER_FETCH = 0, 2, 4, 6, 0x10, 0x14
NX = -1 << 63


def shadow_of(guest, frames=FEWEST_FRAMES):
    return ShadowTables(guest.processor, [POOL + 0x1000 * k for k in range(frames)])


def entry(guest, shadow, linear):
    """The shadow's entry, as the processor's walk finds it."""
    pointer = guest.machine.read64(shadow.root + (linear >> 30) * 8)
    directory_entry = guest.machine.read64((pointer & 0xfffff000) + (linear >> 21 & 0x1ff) * 8)
    if not directory_entry & P:
        return 0
    if directory_entry & PS:
        return (directory_entry & ~PS) + (linear & 0x1ff000)
    assert pointer & 0xfff == P and directory_entry & (W | U) == W | U
    return guest.machine.read64((directory_entry & 0xfffff000) + (linear >> 12 & 0x1ff) * 8)


def test_without_paging_the_shadow_is_the_identity():
    guest = Guest()
    shadow = shadow_of(guest)
    assert shadow.fill(0x5123, WRITE) == FILLED
    assert entry(guest, shadow, 0x5000) == BASE + 0x5000 | P | W | U | A | D


def test_a_read_of_a_clean_page_fills_a_read_only_entry_and_sets_the_accessed_bits_only():
    guest = Guest()
    guest.map(0xc0003000, 0x7000, P | W | U)
    shadow = shadow_of(guest)
    assert shadow.fill(0xc0003004, READ) == FILLED
    assert entry(guest, shadow, 0xc0003000) == BASE + 0x7000 | P | U | A
    assert guest.entry(0xc0003000) == 0x7000 | P | W | U | A
    assert guest.memory.read32(0x1000 + 0x300 * 4) & (A | D) == A


def test_the_first_write_sets_the_dirty_bit_and_makes_the_entry_writable():
    guest = Guest()
    guest.map(0xc0003000, 0x7000, P | W | U)
    shadow = shadow_of(guest)
    shadow.fill(0xc0003004, READ)
    assert shadow.fill(0xc0003004, WRITE) == FILLED
    assert entry(guest, shadow, 0xc0003000) == BASE + 0x7000 | P | W | U | A | D
    assert guest.entry(0xc0003000) & D
    assert guest.vmx.invalidated == [0xc0003004]


def test_a_dirty_page_is_writable_at_once():
    guest = Guest()
    guest.map(0x3000, 0x7000, P | W | D)
    shadow = shadow_of(guest)
    shadow.fill(0x3000, READ)
    assert entry(guest, shadow, 0x3000) & (W | U) == W


def test_the_guests_own_faults_are_reflected_with_their_error_codes():
    guest = Guest()
    guest.map(0x3000, 0x7000, P)
    guest.map(0x5000, 0x7000, W | U)
    guest.map(0x6000, 0x7000, P | U)
    shadow = shadow_of(guest)
    for address, access, error in [(0x3000, USER_READ, 5), (0x3000, USER_WRITE, 7), (0x3000, WRITE, 3), (0x5000, READ, 0), (0x5000, WRITE, 2),
                                   (0x5000, USER_WRITE, 6), (0x6000, USER_WRITE, 7), (0x6000, WRITE, 3), (0x800000, USER_READ, 4)]:
        assert shadow.fill(address, access) == REFLECT
        assert shadow.error == error
        assert guest.entry(address) & A == 0


def test_the_rights_of_both_levels_count():
    guest = Guest()
    guest.map(0x3000, 0x7000, P | W | U, directory_rights=P | U)
    shadow = shadow_of(guest)
    assert shadow.fill(0x3000, USER_WRITE) == REFLECT and shadow.error == 7
    guest.map(0x3000, 0x7000, P | W | U, directory_rights=P | W)
    assert shadow.fill(0x3000, USER_READ) == REFLECT and shadow.error == 5
    assert shadow.fill(0x3000, WRITE) == FILLED
    assert entry(guest, shadow, 0x3000) & (W | U) == W


def test_without_write_protect_a_supervisor_write_takes_the_page_from_the_user_until_he_needs_it():
    guest = Guest()
    guest.paging.cr0 = PE_PG
    guest.map(0x3000, 0x7000, P | U)
    shadow = shadow_of(guest)
    shadow.fill(0x3000, USER_READ)
    assert entry(guest, shadow, 0x3000) & (W | U) == U
    assert shadow.fill(0x3000, WRITE) == FILLED
    assert entry(guest, shadow, 0x3000) & (W | U) == W
    assert guest.entry(0x3000) & D
    assert shadow.fill(0x3000, USER_READ) == FILLED
    assert entry(guest, shadow, 0x3000) & (W | U) == U
    assert shadow.fill(0x3000, USER_WRITE) == REFLECT and shadow.error == 7


def test_a_large_page_is_shadowed_by_small_ones():
    guest = Guest()
    guest.map_large(0xc0000000, 0, P | W)
    shadow = shadow_of(guest)
    assert shadow.fill(0xc0005678, WRITE) == FILLED
    assert entry(guest, shadow, 0xc0005000) == BASE + 0x5000 | P | W | A | D
    assert entry(guest, shadow, 0xc0006000) == 0
    assert guest.memory.read32(0x1000 + 0x300 * 4) & (A | D) == A | D


def test_reserved_bits_of_a_large_page_fault():
    guest = Guest()
    guest.map_large(0xc0000000, 0x20000, P | W | U)
    shadow = shadow_of(guest)
    assert shadow.fill(0xc0000000, USER_READ) == REFLECT
    assert shadow.error == 0xd


def test_without_pse_the_size_bit_means_nothing():
    guest = Guest()
    guest.map(0x3000, 0x7000, P | W, directory_rights=P | W | U | 0x80)
    shadow = shadow_of(guest)
    assert shadow.fill(0x3000, READ) == FILLED
    assert entry(guest, shadow, 0x3000) & 0xfffff000 == BASE + 0x7000


def test_memory_that_is_not_there_is_a_device():
    guest = Guest()
    guest.map(0x3000, 0xfee00000, P | W)
    guest.map(0x4000, SIZE, P | W)
    shadow = shadow_of(guest)
    assert shadow.fill(0x3010, READ) == DEVICE
    assert shadow.physical == 0xfee00010
    assert shadow.fill(0x4000, READ) == DEVICE
    assert entry(guest, shadow, 0x3000) == 0


def test_page_tables_outside_of_memory_read_as_all_ones():
    guest = Guest()
    guest.page_with(0xf0000000)
    shadow = shadow_of(guest)
    assert shadow.fill(0x3000, READ) == DEVICE


def test_emptying_forgets_everything_and_tells_the_processor():
    guest = Guest()
    shadow = shadow_of(guest)
    for linear in [0x1000, 0x5000]:
        shadow.fill(linear, WRITE)
    flushes = guest.vmx.flushes
    shadow.empty()
    assert entry(guest, shadow, 0x1000) == entry(guest, shadow, 0x5000) == 0
    assert guest.vmx.flushes == flushes + 1


def test_invlpg_forgets_one_page_and_of_a_large_one_all_parts():
    guest = Guest()
    guest.map(0x3000, 0x7000, P | W)
    guest.map(0x4000, 0x8000, P | W)
    guest.map_large(0xc0000000, 0, P | W)
    shadow = shadow_of(guest)
    for linear in [0x3000, 0x4000, 0xc0005000, 0xc0006000]:
        shadow.fill(linear, WRITE)
    shadow.invalidate(0x3fff)
    assert entry(guest, shadow, 0x3000) == 0
    assert entry(guest, shadow, 0x4000) != 0
    assert guest.vmx.invalidated == [0x3fff]
    shadow.invalidate(0xc0005000)
    assert entry(guest, shadow, 0xc0005000) == entry(guest, shadow, 0xc0006000) == 0
    assert guest.vmx.flushes == 1
    shadow.invalidate(0x80000000)


def test_the_pool_is_bounded_and_used_again():
    guest = Guest()
    guest.paging.cr0 = PE_PG_WP
    guest.paging.cr3 = 0x1000
    for k in range(64):
        guest.memory.write32(0x1000 + k * 4, 0x2000 | P | W)
    guest.memory.write32(0x2000, 0x7000 | P | W)
    shadow = shadow_of(guest)
    for k in range(64):
        assert shadow.fill(k << 22, WRITE) == FILLED
        assert entry(guest, shadow, k << 22) & 0xfffff000 == BASE + 0x7000
    assert entry(guest, shadow, 0) == 0
    assert guest.machine.read32(POOL + 0x1000 * FEWEST_FRAMES) == 0


def pae_guest(rights, directory_rights=P | W | U, efer=0x800):
    """A guest whose page 40003000h is mapped by PAE tables; at 40200000h is a page of 2 MB."""
    guest = Guest()
    guest.machine.write64(BASE + 0x1008, 0x2000 | P)
    guest.machine.write64(BASE + 0x2000, 0x3000 | directory_rights)
    guest.machine.write64(BASE + 0x2008, rights | 0x80)
    guest.machine.write64(BASE + 0x3018, 0x7000 | rights)
    guest.paging.efer = efer
    guest.paging.cr0, guest.paging.cr3, guest.paging.cr4 = PE_PG_WP, 0x1000, 0x20
    assert guest.paging.load_pointers(PE_PG_WP, 0x1000, 0x20)
    return guest


def test_a_pae_guest_is_shadowed_with_its_right_to_execute():
    for rights, directory_rights, executable in [(P | W | U, P | W | U, True), (P | W | U | NX, P | W | U, False), (P | W | U, P | W | U | NX, False)]:
        guest = pae_guest(rights, directory_rights)
        shadow = shadow_of(guest)
        assert shadow.fill(0x40003004, USER_WRITE) == FILLED
        assert entry(guest, shadow, 0x40003000) == BASE + 0x7000 | P | W | U | A | D | (0 if executable else NX)
        assert guest.memory.read64(0x3018) == 0x7000 | rights | A | D and guest.memory.read64(0x2000) & (A | D) == A
        if executable:
            assert shadow.fill(0x40003004, USER_FETCH) == FILLED
        else:
            assert shadow.fill(0x40003004, USER_FETCH) == REFLECT and shadow.error == 0x15
        assert shadow.fill(0x80000000, FETCH) == REFLECT and shadow.error == 0x10


def test_a_large_page_of_pae_is_shadowed_and_forgotten_whole():
    guest = pae_guest(P | W | NX)
    shadow = shadow_of(guest)
    assert shadow.fill(0x40205678, WRITE) == shadow.fill(0x40206000, READ) == FILLED
    assert entry(guest, shadow, 0x40205000) == BASE + 0x5000 | P | W | A | D | NX
    shadow.invalidate(0x40280000)
    assert entry(guest, shadow, 0x40205000) == entry(guest, shadow, 0x40206000) == 0


def test_xd_is_a_reserved_bit_while_the_guest_has_not_enabled_it():
    guest = pae_guest(P | W | U | NX, efer=0)
    shadow = shadow_of(guest)
    assert shadow.fill(0x40003004, READ) == REFLECT and shadow.error == 9
    assert shadow.fill(0x40003004, USER_FETCH) == REFLECT and shadow.error == 0xd


def test_reserved_bits_and_frames_above_4_gb_of_pae():
    guest = pae_guest(P | W | 1 << 36)
    shadow = shadow_of(guest)
    assert shadow.fill(0x40003004, WRITE) == REFLECT and shadow.error == 0xb
    guest = pae_guest(P | W | 1 << 33)
    shadow = shadow_of(guest)
    assert shadow.fill(0x40003004, WRITE) == DEVICE and shadow.physical == 0x200007004


# -- address spaces

FIRST, SECOND = 0x1000, 0x3000      # page directories; their page tables, for what is not shared
FIRST_TABLE, SECOND_TABLE, KERNEL_TABLE = 0x2000, 0x4000, 0x5000
KERNEL = 0xc0003000


def two_spaces():
    """A guest with two address spaces that share the kernel's page table, in the first of them, and its shadow."""
    guest = Guest()
    for directory, table, frame in [(SECOND, SECOND_TABLE, 0x9000), (FIRST, FIRST_TABLE, 0x8000)]:
        guest.map(KERNEL, 0x7000, P | W, directory, KERNEL_TABLE)
        guest.map(0x3000, frame, P | W | U, directory, table)
    return guest, shadow_of(guest)


def switch(guest, shadow, directory):
    guest.paging.cr3 = directory
    shadow.load()


def test_an_address_space_finds_its_translations_again():
    guest, shadow = two_spaces()
    shadow.fill(0x3000, USER_WRITE)
    shadow.fill(KERNEL, WRITE)
    switch(guest, shadow, SECOND)
    assert entry(guest, shadow, 0x3000) == entry(guest, shadow, KERNEL) == 0
    shadow.fill(0x3000, USER_WRITE)
    assert entry(guest, shadow, 0x3000) == BASE + 0x9000 | P | W | U | A | D
    for directory, frame in [(FIRST, 0x8000), (SECOND, 0x9000)]:
        flushes = guest.vmx.flushes
        switch(guest, shadow, directory)
        assert guest.vmx.flushes == flushes + 1
        assert entry(guest, shadow, 0x3000) == BASE + frame | P | W | U | A | D
    assert entry(guest, shadow, KERNEL) == 0
    switch(guest, shadow, FIRST)
    assert entry(guest, shadow, KERNEL) == BASE + 0x7000 | P | W | A | D


def test_the_kernels_translations_come_with_its_page_table_in_whatever_address_space():
    guest, shadow = two_spaces()
    guest.map(KERNEL + 0x1000, 0xa000, P | W, FIRST, KERNEL_TABLE)
    shadow.fill(KERNEL, WRITE)
    switch(guest, shadow, SECOND)
    shadow.fill(KERNEL + 0x1000, WRITE)
    assert entry(guest, shadow, KERNEL) == BASE + 0x7000 | P | W | A | D


def test_what_the_guest_changed_is_forgotten_at_a_write_to_cr3_and_not_before():
    for changed in [0, 0xa000 | P | W | U | A | D, 0x8000 | P | U | A | D, 0x8000 | P | W | A | D, 0x8000 | P | W | U | A, 0x8000 | P | W | U | D]:
        guest, shadow = two_spaces()
        shadow.fill(0x3000, USER_WRITE)
        before = entry(guest, shadow, 0x3000)
        guest.memory.write32(FIRST_TABLE + 3 * 4, changed)
        assert entry(guest, shadow, 0x3000) == before
        switch(guest, shadow, FIRST)
        assert entry(guest, shadow, 0x3000) == 0


def test_what_the_guest_changed_while_it_was_elsewhere_is_forgotten():
    guest, shadow = two_spaces()
    guest.map(0x6000, 0xb000, P | W | U, FIRST, FIRST_TABLE)
    for linear in [0x3000, 0x6000, KERNEL]:
        shadow.fill(linear, WRITE)
    switch(guest, shadow, SECOND)
    guest.memory.write32(FIRST_TABLE + 3 * 4, 0xa000 | P | W | U)
    guest.memory.write32(KERNEL_TABLE + 3 * 4, 0xa000 | P | W)
    switch(guest, shadow, FIRST)
    assert entry(guest, shadow, 0x3000) == entry(guest, shadow, KERNEL) == 0
    assert entry(guest, shadow, 0x6000) == BASE + 0xb000 | P | W | U | A | D
    shadow.fill(0x3000, READ)
    assert entry(guest, shadow, 0x3000) == BASE + 0xa000 | P | U | A


def test_a_page_that_was_invalidated_and_filled_again_counts_once():
    guest, shadow = two_spaces()
    for k in range(600):
        shadow.fill(0x3000, USER_WRITE)
        shadow.invalidate(0x3000)
    assert entry(guest, shadow, 0x3000) == 0
    switch(guest, shadow, FIRST)
    assert entry(guest, shadow, 0x3000) == 0


def test_another_directory_entry_leads_to_another_table():
    for changed in [0, SECOND_TABLE | P | W | U | A, FIRST_TABLE | P | W | A, FIRST_TABLE | P | U | A, FIRST_TABLE | P | W | U]:
        guest, shadow = two_spaces()
        shadow.fill(0x3000, USER_WRITE)
        guest.memory.write32(FIRST, changed)
        switch(guest, shadow, FIRST)
        assert entry(guest, shadow, 0x3000) == 0
        guest.memory.write32(FIRST, FIRST_TABLE | P | W | U | A)
        switch(guest, shadow, FIRST)
        shadow.fill(0x3000, USER_READ)
        assert entry(guest, shadow, 0x3000) & 0xfffff000 == BASE + 0x8000


def test_a_directory_entry_that_is_changed_without_a_flush_is_followed_at_the_next_miss():
    guest, shadow = two_spaces()
    guest.map(0x4000, 0xb000, P | W | U, FIRST, FIRST_TABLE)
    guest.map(0x6000, 0xc000, P | W | U, SECOND, SECOND_TABLE)
    guest.paging.cr3 = FIRST
    shadow.fill(0x4000, WRITE)
    guest.memory.write32(FIRST, SECOND_TABLE | P | W | U)
    flushes = guest.vmx.flushes
    shadow.fill(0x6000, WRITE)
    assert guest.vmx.flushes == flushes + 1
    assert entry(guest, shadow, 0x6000) & 0xfffff000 == BASE + 0xc000
    assert entry(guest, shadow, 0x4000) == 0


def test_more_address_spaces_than_are_remembered():
    guest = Guest()
    shadow = shadow_of(guest, 64)
    for turn in range(2):
        for k in range(40):
            guest.map(0x3000, 0x7000, P | W, 0x8000 + 0x1000 * k, 0x2000)
            switch(guest, shadow, 0x8000 + 0x1000 * k)
            shadow.fill(0x3000, WRITE)
            assert entry(guest, shadow, 0x3000) == BASE + 0x7000 | P | W | A | D


def test_tables_out_of_use_are_taken_before_those_in_use():
    guest = Guest()
    for k in range(40):
        guest.map(0x3000, 0x7000, P | W, 0x10000, 0x11000)
        guest.map(0x10000000 + (k << 22), 0x8000, P | W, 0x10000, 0x12000)
    shadow = shadow_of(guest)
    shadow.fill(0x3000, WRITE)
    for k in range(40):
        shadow.fill(0x10000000 + (k << 22), WRITE)
        guest.memory.write32(0x10000 + (0x40 + k) * 4, 0)
        shadow.load()
        assert entry(guest, shadow, 0x10000000 + (k << 22)) == 0
        assert entry(guest, shadow, 0x3000) == BASE + 0x7000 | P | W | A | D


# -- large pages

MB = 1 << 20


def large_guest(rights, wp=True):
    guest = Guest(2 * MB, 6 * MB, 8 * MB)
    guest.map_large(0xc0000000, 0, rights)
    guest.paging.cr0 = PE_PG_WP if wp else PE_PG
    return guest, ShadowTables(guest.processor, [0x1000 * k for k in range(1, 1 + FEWEST_FRAMES)])


def test_a_large_page_is_shadowed_by_one_entry_for_each_half_where_its_frames_allow():
    guest, shadow = large_guest(P | W)
    assert shadow.fill(0xc0005678, WRITE) == FILLED
    assert entry(guest, shadow, 0xc01ff000) == 2 * MB + 0x1ff000 | P | W | A | D
    assert entry(guest, shadow, 0xc0200000) == 0
    assert shadow.fill(0xc0205678, READ) == FILLED
    assert entry(guest, shadow, 0xc0200000) == 4 * MB | P | W | A | D


def test_a_large_page_with_a_device_in_it_is_shadowed_by_small_ones():
    guest, shadow = large_guest(P | W)
    guest.bus.add_memory(0xa0000, 0xa0fff, Recorder())
    assert shadow.fill(0xc0005678, WRITE) == FILLED
    assert entry(guest, shadow, 0xc0006000) == 0
    assert shadow.fill(0xc00a0000, WRITE) == DEVICE


def test_a_large_page_is_writable_after_the_first_write():
    guest, shadow = large_guest(P | W | U)
    shadow.fill(0xc0005678, USER_READ)
    assert entry(guest, shadow, 0xc0005000) == 2 * MB + 0x5000 | P | U | A
    assert shadow.fill(0xc0006678, USER_WRITE) == FILLED
    assert guest.vmx.invalidated == [0xc0006678]
    assert entry(guest, shadow, 0xc0005000) == 2 * MB + 0x5000 | P | W | U | A | D


def test_a_large_page_is_there_again_when_the_guest_returns_unless_it_was_changed():
    for changed, expected in [(P | W | A | D, W | A | D), (P | W | A, A), (P | W, 0), (0, 0), (P | W | A | D | 0x400000, None)]:
        guest, shadow = large_guest(P | W)
        shadow.fill(0xc0005678, WRITE)
        switch(guest, shadow, 0x3000)
        assert entry(guest, shadow, 0xc0005000) == 0
        guest.memory.write32(0x1000 + 0x300 * 4, changed | PS)
        switch(guest, shadow, 0x1000)
        if expected is None:
            assert entry(guest, shadow, 0xc0005000) == 6 * MB + 0x5000 | P | W | A | D
        else:
            assert entry(guest, shadow, 0xc0005000) == (2 * MB + 0x5000 | P | expected if expected else 0)


def test_without_write_protect_a_large_page_is_shadowed_by_small_ones():
    guest, shadow = large_guest(P | U, wp=False)
    shadow.fill(0xc0005678, USER_READ)
    assert shadow.fill(0xc0005678, WRITE) == FILLED
    assert entry(guest, shadow, 0xc0005000) & (W | U) == W
    assert shadow.fill(0xc0006678, READ) == FILLED
    assert entry(guest, shadow, 0xc0005000) & (W | U) == W


def test_invlpg_forgets_the_whole_large_page():
    guest, shadow = large_guest(P | W)
    shadow.fill(0xc0005678, WRITE)
    shadow.fill(0xc0205678, WRITE)
    shadow.invalidate(0xc0345000)
    assert entry(guest, shadow, 0xc0005000) == entry(guest, shadow, 0xc0200000) == 0
    assert guest.vmx.flushes == 1
