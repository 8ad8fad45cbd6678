"""Paging (SDM vol. 3, chapter 4): 4 KB and 4 MB pages, rights, error codes, CR2, accessed and dirty bits, what the TLB may keep."""
import pytest

from cpu_parts import (CODE, DATA, DIRECTORY, GDT, IDT, HANDLERS, STACK, INNER_STACK, TABLE, TSS, KERNEL_CODE, KERNEL_DATA, USER_CODE, USER_DATA, Guest,
                       gate)
from hyper.cpu import flags

P, W, U, A, D, PS = 1, 2, 4, 0x20, 0x40, 0x80
PF, WP, PG = 14, 0x10000, 0x80000000
PAGE = 0x100000             # what the tests look at


def make(source, rights=7, ring=0, wp=False):
    guest = Guest(source, ring)
    guest.enable_paging(pages=256)
    guest.map(PAGE, PAGE, rights)
    if wp:
        guest.system.cr0 |= WP
    guest.vector(0x30, gate(14, KERNEL_CODE, HANDLERS + 0x30 * 16, dpl=3))
    return guest


READ, WRITE = 'mov 0x100123, %al; int $0x30', 'movb $1, 0x100123; int $0x30'


@pytest.mark.parametrize('rights, ring, wp, access, error', [
    (0, 0, False, READ, 0), (0, 0, False, WRITE, 2), (0, 3, False, READ, 4), (0, 3, False, WRITE, 6),
    (P, 0, False, READ, None), (P, 0, False, WRITE, None), (P, 0, True, WRITE, 3), (P, 3, False, READ, 5), (P, 3, False, WRITE, 7),
    (P | W, 0, True, WRITE, None), (P | W, 3, False, READ, 5), (P | W, 3, False, WRITE, 7),
    (P | U, 0, False, WRITE, None), (P | U, 0, True, WRITE, 3), (P | U, 3, False, READ, None), (P | U, 3, False, WRITE, 7),
    (P | W | U, 3, True, WRITE, None), (W | U, 3, False, WRITE, 6)])
def test_rights_decide_and_the_error_code_says_what_was_tried(rights, ring, wp, access, error):
    guest = make(access, rights, ring, wp)
    event = guest.run()
    if error is None:
        assert event.vector == 0x30
    else:
        assert (event.vector, event.error, event.eip, guest.system.cr2) == (PF, error, CODE, 0x100123)


@pytest.mark.parametrize('directory, table, ring, access, error', [
    (P, 7, 3, READ, 5), (P | U, 7, 3, WRITE, 7), (P | W, 7, 3, READ, 5), (P | W | U, P | U, 3, WRITE, 7), (0, 7, 0, READ, 0), (P | U, 7, 0, WRITE, None)])
def test_directory_and_table_must_both_allow_it(directory, table, ring, access, error):
    guest = make('', 7, ring)
    guest.write(access.replace('0x100123', '0x800123'))
    guest.memory.write32(DIRECTORY + 8, 0xa000 | directory)
    guest.memory.write32(0xa000, PAGE | table)
    event = guest.run()
    assert (event.vector, event.error) == ((PF, error) if error is not None else (0x30, None))


def test_a_fetch_faults_with_the_address_of_the_instruction():
    guest = make('jmp 0x100040', 0)
    event = guest.run()
    assert (event.vector, event.error, event.eip, guest.system.cr2) == (PF, 0, 0x100040, 0x100040)
    guest = make('jmp 0x100040', P | W, ring=3)
    event = guest.run()
    assert (event.vector, event.error, event.eip, event.cs, guest.system.cr2) == (PF, 5, 0x100040, USER_CODE, 0x100040)


def test_an_instruction_that_ends_on_a_missing_page_faults_with_that_pages_address():
    guest = make('jmp 0xffffe', 0)
    guest.memory.write_bytes(0xffffc, '\x90\x90\xb8\1')
    event = guest.run()
    assert (event.vector, event.error, event.eip, guest.system.cr2) == (PF, 0, 0xffffe, 0x100000)


def test_execution_goes_on_where_the_handler_has_mapped_the_code():
    guest = make('jmp 0xffffe', 0)
    guest.memory.write_bytes(0xffffe, '\xb8\1\2\3\4\xf4')
    guest.write('incl 0x14000; movl $0x100003, 0x9400; add $4, %esp; iret', at=0x6000)
    guest.vector(PF, gate(14, KERNEL_CODE, 0x6000))
    assert guest.run() is None
    assert guest.eax == 0x04030201 and guest.memory.read32(DATA) == 1


@pytest.mark.parametrize('access, cr2', [('movl $1, 0xffffe', 0x100000), ('mov 0xffffd, %eax', 0x100000), ('movw $1, 0xfffff', 0x100000),
                                         ('incl 0xfffff', 0x100000), ('movl $1, 0x100ffe', 0x101000)])
def test_an_access_across_pages_faults_with_the_first_missing_byte_and_writes_nothing(access, cr2):
    guest = make(access, 0 if cr2 == 0x100000 else 7)
    event = guest.run()
    assert (event.vector, event.eip, guest.system.cr2) == (PF, CODE, cr2)
    assert guest.memory.read32(0xffffc) == guest.memory.read32(0x100ffc) == 0


def test_an_access_across_pages_reaches_frames_that_are_not_neighbours():
    guest = make('movl $0x11223344, 0xffffe; mov 0xffffe, %eax; incl 0xfffff; mov 0xffffd, %ebx; hlt')
    guest.map(PAGE, 0x150000, 7)
    assert guest.run() is None
    assert guest.eax == 0x11223344 and guest.memory.read16(0xffffe) == 0x3444 and guest.memory.read16(0x150000) == 0x1122
    assert guest.ebx == 0x22344400


def test_reading_sets_accessed_and_writing_sets_dirty():
    guest = make('mov 0x100000, %eax; mov %eax, %ebx; hlt')
    guest.run()
    assert guest.entry(PAGE) == PAGE | 7 | A and guest.memory.read32(DIRECTORY) & (A | D) == A
    guest = make('movl $1, 0x100000; hlt')
    guest.run()
    assert guest.entry(PAGE) == PAGE | 7 | A | D


def test_a_write_after_a_read_sets_dirty_though_the_page_is_in_the_tlb():
    guest = make('mov 0x100000, %eax; mov 0x9400, %ebx; movl $1, 0x100000; hlt')
    guest.run()
    assert guest.ebx & (A | D) == A and guest.entry(PAGE) & (A | D) == A | D


def test_a_refused_access_sets_neither():
    guest = make(WRITE, P, ring=3)
    guest.run()
    assert guest.entry(PAGE) == PAGE | P


def test_pages_of_4_mb_are_mapped_if_cr4_says_so():
    source = 'mov %cr4, %eax; or $0x10, %eax; mov %eax, %cr4; mov 0x800123, %ebx; movl $7, 0xa00000; hlt'
    guest = make(source)
    guest.memory.write32(DIRECTORY + 8, PS | 7)
    guest.memory.write32(0x123, 0xcafe)
    event = guest.run()
    assert event is None and guest.ebx == 0xcafe and guest.memory.read32(DIRECTORY + 8) == PS | 7 | A | D


def test_the_page_size_bit_means_nothing_without_cr4_pse():
    guest = make('mov 0x800123, %ebx; hlt')
    guest.memory.write32(DIRECTORY + 8, 0xa000 | PS | 7)
    guest.memory.write32(0xa000, PAGE | 7)
    guest.memory.write32(PAGE + 0x123, 0xbeef)
    assert guest.run() is None and guest.ebx == 0xbeef


def test_reserved_bits_of_a_4_mb_page_fault_with_error_code_9():
    guest = make('mov 0x800123, %ebx; hlt')
    guest.system.cr4 = 0x10
    guest.memory.write32(DIRECTORY + 8, 0x20000 | PS | 7)
    event = guest.run()
    assert (event.vector, event.error) == (PF, 9)


def test_rights_of_4_mb_pages():
    guest = make('movl $1, 0x800123', ring=3)
    guest.system.cr4 = 0x10
    guest.memory.write32(DIRECTORY + 8, PS | P | U)
    event = guest.run()
    assert (event.vector, event.error, guest.system.cr2) == (PF, 7, 0x800123)


def test_invlpg_forgets_one_page_and_a_write_to_cr3_all():
    source = ('mov 0x100000, %%eax; movl $0x150003, 0x9400; %s; mov 0x100000, %%ebx; hlt')
    for flush in ['invlpg 0x100000', 'mov %cr3, %ecx; mov %ecx, %cr3', 'invlpg 0x100fff', 'mov %cr0, %ecx; xor $0x10000, %ecx; mov %ecx, %cr0']:
        guest = make(source % flush)
        guest.memory.write32(PAGE, 1)
        guest.memory.write32(0x150000, 2)
        guest.run()
        assert (guest.eax, guest.ebx) == (1, 2), flush


def test_code_follows_a_change_of_its_mapping_after_invlpg():
    guest = make('call 0x100000; movl $0x150003, 0x9400; invlpg 0x100000; call 0x100000; hlt')
    guest.memory.write_bytes(PAGE, '\x83\xc0\x01\xc3')
    guest.memory.write_bytes(0x150000, '\x83\xc0\x10\xc3')
    guest.run()
    assert guest.eax == 0x11


def test_the_same_code_in_two_address_spaces_is_mapped_by_each():
    guest = make('call 0x100000; mov $0xb000, %ecx; mov %ecx, %cr3; call 0x100000; mov $0x8000, %ecx; mov %ecx, %cr3; call 0x100000; hlt')
    guest.memory.write_bytes(0xc000, guest.memory.read_bytes(TABLE, 4096))
    guest.memory.write32(0xb000, 0xc007)
    guest.memory.write32(0xc400, 0x150007)
    guest.memory.write_bytes(PAGE, '\x83\xc0\x01\xc3')
    guest.memory.write_bytes(0x150000, '\x83\xc0\x10\xc3')
    guest.run()
    assert guest.eax == 0x12


def test_turning_paging_on_and_off():
    guest = make('mov %cr0, %eax; and $0x7fffffff, %eax; mov %eax, %cr0; mov 0x100000, %ebx; or $0x80000000, %eax; mov %eax, %cr0; mov 0x100000, %ecx; hlt')
    guest.map(PAGE, 0x150000, 7)
    guest.memory.write32(PAGE, 1)
    guest.memory.write32(0x150000, 2)
    assert guest.run() is None
    assert (guest.ebx, guest.ecx) == (1, 2)


def test_setting_wp_takes_write_access_back():
    guest = make('movl $1, 0x100000; mov %cr0, %eax; or $0x10000, %eax; mov %eax, %cr0; movl $2, 0x100000; hlt', P)
    event = guest.run()
    assert (event.vector, event.error) == (PF, 3) and guest.memory.read32(PAGE) == 1


def test_the_processors_own_tables_are_read_with_supervisor_rights_from_ring_3():
    guest = make('mov $0x23, %eax; mov %eax, %ds; int $0x30', ring=3)
    for page in (GDT, IDT, TSS, HANDLERS, INNER_STACK - 0x1000):
        guest.map(page & 0xfffff000, page & 0xfffff000, P | W)
    assert guest.run().vector == 0x30


def test_a_missing_descriptor_table_page_is_a_page_fault_of_the_supervisor():
    guest = make('mov $0x23, %eax; mov %eax, %es; hlt', ring=3)
    guest.system.gdtr_base = 0x110000
    guest.memory.write_bytes(0x110000, guest.memory.read_bytes(GDT, 0x100))
    guest.map(0x110000, 0, 0)
    assert guest.run() == 'shutdown'                # the handler's descriptor is missing too
    assert guest.system.cr2 in (0x110008, 0x110020)
    assert guest.system.eip == CODE + 5


def test_memory_that_is_not_there_reads_as_ones_and_swallows_writes():
    guest = Guest('mov 0x7fff0000, %eax; movl $5, 0x7fff0000; mov 0x7fff0000, %ebx; hlt')
    assert guest.run() is None and guest.eax == guest.ebx == 0xffffffff


def test_code_outside_memory_is_an_undefined_opcode():
    event = Guest('jmp 0x7fff0000').run()
    assert (event.vector, event.eip) == (6, 0x7fff0000)


@pytest.mark.parametrize('value, faults', [(0x80000000, True), (0x20000001, True), (0x60000011, False), (0x80000011, False), (0x11, False)])
def test_cr0_refuses_impossible_combinations(value, faults):
    guest = make('mov $%d, %%eax; mov %%eax, %%cr0; hlt' % value)
    event = guest.run()
    assert (event is not None) == faults
    if faults:
        assert (event.vector, event.error, event.eip) == (13, 0, CODE + 5)


def test_cr4_refuses_bits_that_the_model_does_not_have():
    guest = make('mov $0x4000, %eax; mov %eax, %cr4; hlt')
    assert (guest.run().vector, guest.system.cr4) == (13, 0)


@pytest.mark.parametrize('source', ['.byte 0x0f, 0x20, 0xc8', '.byte 0x0f, 0x22, 0xe8', '.byte 0x0f, 0x20, 0xf8'])
def test_control_registers_that_do_not_exist_are_undefined_opcodes(source):
    assert make(source).run().vector == 6


def test_code_goes_on_at_address_0_behind_the_last_byte_of_the_address_space():
    guest = make('jmp 0xfffffffd')
    guest.memory.write32(DIRECTORY + 4 * 1023, 0xa000 | 7)
    guest.memory.write32(0xa000 + 4 * 1023, PAGE | 7)
    guest.memory.write_bytes(PAGE + 0xffd, '\x40\xb3\x77')      # inc eax; mov bl, 77h
    guest.memory.write_bytes(0, '\xe8\0\0\0\0\xf4')             # call .+5; hlt
    assert guest.run() is None
    assert (guest.eax, guest.ebx, guest.system.eip, guest.memory.read32(STACK - 4)) == (1, 0x77, 6, 5)


def test_pse_36_puts_bits_35_to_32_of_the_frame_into_bits_16_to_13():
    guest = make('mov 0x800123, %eax; mov 0xc00123, %ebx; hlt')
    guest.system.cr4 = 0x10
    guest.memory.write32(DIRECTORY + 8, PS | 7)
    guest.memory.write32(DIRECTORY + 12, 0x2000 | PS | 7)               # at 4 GB, where there is no memory
    guest.memory.write32(0x123, 0xcafe)
    assert guest.run() is None and (guest.eax, guest.ebx) == (0xcafe, 0xffffffff)
    guest = make('mov 0x800123, %eax; hlt')
    guest.system.cr4 = 0x10
    guest.memory.write32(DIRECTORY + 8, 0x22000 | PS | 7)
    event = guest.run()
    assert (event.vector, event.error) == (PF, 9)


def test_invlpg_forgets_a_large_page_as_a_whole():
    source = 'mov 0x8ff000, %eax; mov 0x901000, %ebx; movl $0x7, 0x8008; invlpg 0x800000; mov 0x901000, %ecx; hlt'
    guest = make(source)
    guest.system.cr4 = 0x10
    guest.memory.write32(DIRECTORY + 8, PS | 7)
    guest.memory.write32(PAGE + 0x1000, 5)
    guest.memory.write32(0, 0)
    event = guest.run()                         # the directory entry points to an empty table at address 0 now
    assert guest.ebx == 5 and (event.vector, event.error, guest.system.cr2) == (PF, 0, 0x901000)


G = 0x100
REMAP = 'mov %%cr4, %%edx; %s; mov 0x100000, %%eax; movl $0x150103, 0x9400; %s; mov 0x100000, %%ebx; hlt'
LOAD_CR3 = 'mov %cr3, %ecx; mov %ecx, %cr3'


@pytest.mark.parametrize('before, after, kept', [
    ('or $0x80, %edx; mov %edx, %cr4', LOAD_CR3, True),
    ('or $0x80, %edx; mov %edx, %cr4', LOAD_CR3 + ';' + LOAD_CR3, True),
    ('or $0x80, %edx; mov %edx, %cr4', 'invlpg 0x100000', False),
    ('or $0x80, %edx; mov %edx, %cr4', 'mov %cr4, %ecx; xor $0x80, %ecx; mov %ecx, %cr4', False),
    ('or $0x80, %edx; mov %edx, %cr4', 'mov %cr0, %ecx; xor $0x10000, %ecx; mov %ecx, %cr0', False),
    ('nop', LOAD_CR3, False)])
def test_global_pages_stay_over_a_write_to_cr3(before, after, kept):
    guest = make(REMAP % (before, after), 3 | G)
    guest.memory.write32(PAGE, 1)
    guest.memory.write32(0x150000, 2)
    assert guest.run() is None
    assert (guest.eax, guest.ebx) == (1, 1 if kept else 2)


def test_pages_that_are_not_global_go_when_cr3_is_written_though_global_ones_stay():
    guest = make(REMAP % ('or $0x80, %edx; mov %edx, %cr4; mov 0x101000, %ecx', 'movl $0x150003, 0x9404;' + LOAD_CR3 + '; mov 0x101000, %edi'), 3 | G)
    guest.map(PAGE + 0x1000, PAGE + 0x1000, 3)
    guest.memory.write32(PAGE + 0x1000, 7)
    guest.memory.write32(0x150000, 8)
    assert guest.run() is None and (guest.ebx, guest.edi) == (0, 8)


# -- PAE

PDPT, PAE_DIRECTORY, PAE_TABLE = 0x180000, 0x181000, 0x182000
NX = 1 << 63
PAE = 0x20


def make_pae(source, rights=7, ring=0, efer=0):
    """The first 2 MB one to one by 512 pages of 4 KB, at 2 MB a large page on the same memory; `rights` of the page PAGE."""
    guest = Guest(source, ring)
    memory = guest.memory
    for k in range(512):
        memory.write64(PAE_TABLE + 8 * k, k << 12 | 7)
    memory.write64(PAE_TABLE + 8 * (PAGE >> 12), signed(PAGE | rights))
    memory.write64(PAE_DIRECTORY, PAE_TABLE | 7)
    memory.write64(PAE_DIRECTORY + 8, PS | 7)
    memory.write64(PDPT, PAE_DIRECTORY | P)
    system = guest.system
    system.efer = efer
    system.cr4 = PAE
    system.cr3 = PDPT
    system.mmu.load_pdptes(PDPT)
    system.cr0 |= PG | WP
    system.mmu.flush()
    system.update_mode()
    guest.vector(0x30, gate(14, KERNEL_CODE, HANDLERS + 0x30 * 16, dpl=3))
    return guest


def signed(value):
    return value - (1 << 64) if value >> 63 else value


NXE = 0x800
FETCH = 'mov $0x100000, %eax; jmp *%eax'


@pytest.mark.parametrize('rights, ring, efer, access, error', [
    (7, 0, 0, READ, None), (7, 3, 0, WRITE, None), (P, 0, 0, WRITE, 3), (P | W, 3, 0, READ, 5), (P | U, 3, 0, WRITE, 7), (0, 3, 0, READ, 4),
    (7 | NX, 3, NXE, READ, None), (7 | NX, 3, NXE, WRITE, None), (7 | NX, 3, NXE, FETCH, 0x15), (7 | NX, 0, NXE, FETCH, 0x11),
    (7 | NX, 0, 0, READ, 9), (7 | NX, 3, 0, FETCH, 0xd), (0, 0, NXE, FETCH, 0x10), (0, 0, 0, FETCH, 0), (P, 3, NXE, FETCH, 0x15),
    (7 | 1 << 36, 0, 0, READ, 9), (7 | 1 << 62, 3, NXE, WRITE, 0xf)])
def test_pae_entries_decide_and_the_error_code_says_what_was_tried(rights, ring, efer, access, error):
    guest = make_pae(access, rights, ring, efer)
    guest.memory.write_bytes(PAGE, '\xcd\x30')
    event = guest.run()
    if error is None:
        assert event.vector == 0x30
    else:
        assert (event.vector, event.error) == (PF, error)
        assert guest.system.cr2 == (0x100000 if access == FETCH else 0x100123)


def test_pae_has_large_pages_of_2_mb_whatever_cr4_pse_says():
    guest = make_pae('mov 0x200123, %eax; movl $7, 0x300000; hlt')
    guest.memory.write32(0x123, 0xcafe)
    assert guest.run() is None
    assert guest.eax == 0xcafe and guest.memory.read32(PAGE) == 7
    assert guest.memory.read64(PAE_DIRECTORY + 8) == PS | 7 | A | D
    assert guest.memory.read64(PAE_DIRECTORY) == PAE_TABLE | 7 | A and guest.memory.read64(PDPT) == PAE_DIRECTORY | P


def test_reserved_bits_of_a_2_mb_page_fault():
    guest = make_pae('mov 0x200123, %eax; hlt')
    guest.memory.write64(PAE_DIRECTORY + 8, PS | 7 | 0x2000)
    event = guest.run()
    assert (event.vector, event.error) == (PF, 9)


def test_a_large_page_cannot_be_fetched_from_if_it_says_so():
    guest = make_pae('mov $0x300000, %eax; jmp *%eax', efer=NXE)
    guest.memory.write64(PAE_DIRECTORY + 8, signed(PS | 7 | NX))
    event = guest.run()
    assert (event.vector, event.error, event.eip) == (PF, 0x11, 0x300000)


def test_a_directory_that_forbids_fetching_forbids_it_for_its_pages():
    guest = make_pae('mov 0x100123, %ebx; mov $0x400000, %eax; jmp *%eax', efer=NXE)
    guest.memory.write64(PAE_DIRECTORY + 16, signed(PAE_TABLE | 7 | NX))
    event = guest.run()
    assert (event.vector, event.error, event.eip) == (PF, 0x11, 0x400000)


def test_frames_above_4_gb_are_where_no_memory_is():
    guest = make_pae('mov 0x100123, %eax; hlt', 7 | 5 << 32)
    assert guest.run() is None and guest.eax == 0xffffffff


def test_the_pointers_of_pae_are_loaded_with_cr3_and_not_before():
    guest = make_pae('movl $0, 0x180000; mov 0x100000, %eax; invlpg 0x100000; mov 0x100000, %ebx; mov %cr3, %ecx; mov %ecx, %cr3; hlt')
    guest.memory.write32(PAGE, 9)
    event = guest.run()
    assert event == 'shutdown' and (guest.eax, guest.ebx) == (9, 9)       # nothing is mapped any more, the handler neither


@pytest.mark.parametrize('bits', [2, 4, 0x20, 0x100, 1 << 36, NX])
def test_malformed_pointers_make_the_write_to_cr3_fault_and_change_nothing(bits):
    guest = make_pae('mov $0x183020, %eax; mov %eax, %cr3; hlt', efer=NXE)
    guest.memory.write64(0x183020, PAE_DIRECTORY | P)
    guest.memory.write64(0x183038, signed(P | bits))
    event = guest.run()
    assert (event.vector, event.error, event.eip, guest.system.cr3) == (13, 0, CODE + 5, PDPT)
    guest = make_pae('mov $0x183020, %eax; mov %eax, %cr3; hlt', efer=NXE)
    guest.memory.write64(0x183020, PAE_DIRECTORY | P)
    guest.memory.write64(0x183038, signed(bits))        # not present: nothing of it is looked at
    assert guest.run() is None and guest.system.cr3 == 0x183020


def test_turning_paging_on_with_pae_loads_the_pointers():
    source = 'mov $0x180000, %eax; mov %eax, %cr3; mov $0x20, %eax; mov %eax, %cr4; mov %cr0, %eax; or $0x80000000, %eax; mov %eax, %cr0; mov 0x200123, %ebx; hlt'
    guest = make_pae(source)
    guest.system.cr0 &= ~PG
    guest.system.cr4 = 0
    guest.system.pdptes = [0] * 4
    guest.system.mmu.flush()
    guest.memory.write32(0x123, 0xcafe)
    assert guest.run() is None and guest.ebx == 0xcafe


def test_efer_has_nxe_and_nothing_else():
    guest = Guest('mov $0xc0000080, %ecx; rdmsr; or $0x800, %eax; wrmsr; xor %eax, %eax; rdmsr; mov %eax, %ebx; or $0x100, %eax; wrmsr; hlt')
    event = guest.run()
    assert event.vector == 13 and guest.ebx == 0x800
