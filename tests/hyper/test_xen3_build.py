"""The domain builder of Xen 3: notes, what a kernel finds in its memory and registers, and what cannot be built."""
import struct

import pytest

import xen3_parts as parts
from hyper.errors import UserError
from hyper.loader import xen_notes
from hyper.loader.file import ImageFile
from hyper.vmm.inspect import DomainRegisters
from hyper.vmm.para.frame_table import L1, L2, L2_TOP, L3
from hyper.vmm.xen3.interface import hypercall_page
from loader_parts import elf
from xen3_parts import Bench, LOAD, NOTES, image_of, make, run, with_notes


def notes_of(notes):
    return xen_notes.find(ImageFile('kernel', with_notes([(LOAD, LOAD, 'code', 4096)], LOAD, notes)))


def refused(words, *arguments, **options):
    with pytest.raises(UserError) as caught:
        make(*arguments, **options)
    assert '\n' not in caught.value.text
    for word in words:
        assert word in caught.value.text


def test_notes_are_read_and_those_of_others_are_not():
    notes = notes_of(NOTES + [(1, struct.pack('<I', 0xc0000010)), (2, struct.pack('<I', 0xc0001000)), (6, 'GRUB\0'), (10, '!writable_page_tables|pae')])
    assert (notes.version, notes.loader, notes.pae, notes.system) == ('xen-3.0', 'generic', 'yes', 'GRUB')
    assert (notes.virtual_base, notes.paddr_offset, notes.entry, notes.hypercall_page) == (LOAD, LOAD, 0xc0000010, 0xc0001000)
    assert notes.requires('writable_page_tables') and not notes.requires('pae')
    assert xen_notes.find(ImageFile('kernel', elf([(LOAD, LOAD, 'code', 4)], LOAD))) is None
    assert notes_of([(5, 'xen-2.0\0')]) is None


def test_a_note_that_its_segment_cuts_short_is_as_long_as_it_can_be():
    image = with_notes([(LOAD, LOAD, 'code', 4096)], LOAD, NOTES[:2] + [(9, 'yes\0')])
    at = image.rfind(struct.pack('<III', 4, 4, 9))
    notes = xen_notes.find(ImageFile('kernel', image[:at + 4] + struct.pack('<I', 12) + image[at + 8:]))
    assert notes.pae == 'yes'


def test_the_older_string_says_the_same():
    text = 'GUEST_OS=linux,XEN_VER=xen-3.0,VIRT_BASE=0xC0000000,VIRT_ENTRY=0xc0000020,HYPERCALL_PAGE=0x2,PAE=yes[extended-cr3],LOADER=generic\0'
    names = '\0__xen_guest\0.names\0'
    plain = bytearray(elf([(LOAD, LOAD, 'code', 4096)], LOAD))
    start = len(plain)
    section = lambda name, offset, size: struct.pack('<10I', name, 1, 0, 0, offset, size, 0, 0, 0, 0)
    table = start + len(text) + len(names)
    plain += text + names + section(0, 0, 0) + section(1, start, len(text)) + section(13, start + len(text), len(names))
    struct.pack_into('<I', plain, 32, table)
    struct.pack_into('<HHH', plain, 46, 40, 3, 2)
    notes = xen_notes.find(ImageFile('kernel', str(plain)))
    assert (notes.virtual_base, notes.paddr_offset, notes.entry, notes.hypercall_page) == (LOAD, LOAD, 0xc0000020, 0xc0002000)
    assert notes.pae.startswith('yes') and notes.loader == 'generic'


def test_damaged_notes_are_never_read_beyond_the_file():
    image = with_notes([(LOAD, LOAD, 'code', 4096)], LOAD, NOTES)
    for cut in range(52, len(image), 7):
        xen_notes.find(ImageFile('kernel', image[:cut]))
    for at in range(52, len(image), 4):
        xen_notes.find(ImageFile('kernel', image[:at] + '\xff\xff\xff\xff' + image[at + 4:]))


def test_start_info_and_the_registers_are_as_the_interface_says():
    bench = Bench(line='root=/dev/xvda quiet', modules=[ImageFile('archive', 'module' * 1000)])
    domain = bench.domain
    registers = DomainRegisters(domain)
    start = registers.get('esi')
    u32 = lambda offset: domain.linear.read32(start + offset)
    text = lambda at, size: domain.memory3.read_text(at, size)
    assert text(start, 16) == 'xen-3.0-x86_32p\0'
    assert u32(32) == parts.MEMORY >> 12 and u32(36) == domain.shared_frame << 12
    assert text(u32(72), u32(76)) == 'module' * 1000
    assert text(start + 80, 21) == 'root=/dev/xvda quiet\0'
    assert [domain.linear.read32(u32(68) + 4 * page) for page in range(1024)] == domain.page_frames
    assert domain.linear_to_machine(u32(60)) >> 12 == domain.paging.base
    assert (registers.get('cs'), registers.get('ss'), registers.get('ds'), registers.get('cpl')) == (0xe019, 0xe021, 0xe021, 1)
    assert registers.get('eip') == LOAD and registers.get('cr4') & 1 << 5
    assert registers.get('esp') == u32(60) + (u32(64) + 1) * 4096


def test_page_tables_are_typed_pinned_and_mapped_read_only():
    bench = Bench()
    assert bench.counts(parts.POINTERS)[:2] == (L3, 2) and bench.paging.table.pinned[bench.frame(parts.POINTERS)]
    assert [bench.counts(parts.DIRECTORIES + k)[:2] for k in range(4)] == [(L2, 1)] * 3 + [(L2_TOP, 1)]
    assert bench.counts(parts.TABLES)[:2] == (L1, 1)
    for page in range(1024):
        writable = bench.memory.read32(bench.entry_at(page)) & 2 != 0
        assert writable == (not parts.POINTERS <= page < parts.STACK)
    assert bench.domain.linear.machine(bench.address(0x400), False) == -1        # the end of what is mapped
    assert bench.hypervisor.frame_table.checks.checker.check() == ''


def test_the_hypercall_page_is_filled_with_stubs_that_work():
    code = ''' hyp 17, $7
    mov %eax, 0xc0000e00
    mov $7, %ebx
    call 0xc0001000 + 17 * 32
    mov %eax, 0xc0000e04
    finish
    '''
    from assemble import assemble
    data = assemble(parts.PRELUDE + code, LOAD)
    image = ImageFile('kernel', with_notes([(LOAD, LOAD, data, 8192)], LOAD, NOTES + [(2, struct.pack('<I', LOAD + 4096))]))
    hypervisor = make([], images=[image])
    domain = hypervisor.domains[0]
    assert domain.memory3.read_text(LOAD + 4096, 4096) == hypercall_page()
    hypervisor.run(1000, -1, -1.0)
    assert domain.why == 'powered off'
    assert domain.linear.read32(0xc0000e00) == domain.linear.read32(0xc0000e04) == 4096


def test_the_machine_to_physical_table_can_be_read_and_not_written():
    domain = run('''
    mov 0xc0002024, %eax            # shared_info's machine address
    mov 0xc0001000 + 4 * 7, %eax    # the frame of page 7
    mov 0xf5800000(, %eax, 4), %ebx
    mov %ebx, 0xc0000e00
    finish
    ''')
    assert domain.linear.read32(0xc0000e00) == 7
    domain = run(' movl $1, 0xf5800000\n finish\n')
    assert domain.why.startswith('trap 14')


def test_what_cannot_be_built_is_refused_with_what_to_do():
    refused(['kernel', '--memory'], ['finish'], memory=2 * parts.MB)
    refused(['--append'], ['finish'], line='x' * 1024)
    refused(['--module', 'one'], ['finish'], modules=[ImageFile('a', 'a')] * 2)
    bad = lambda notes: [ImageFile('kernel', with_notes([(LOAD, LOAD, 'code', 4096)], LOAD, notes))]
    refused(['PAE'], [], images=bad(NOTES[:2] + [(9, 'no\0')] + NOTES[3:]))
    refused(['builder', 'odd'], [], images=bad([NOTES[0], (8, 'odd\0')] + NOTES[2:]))
    refused(['hypercall page'], [], images=bad(NOTES + [(2, struct.pack('<I', LOAD + 8192))]))
    refused(['entry point'], [], images=bad(NOTES + [(1, struct.pack('<I', LOAD - 4))]))
    refused(['base'], [], images=bad(NOTES[:4] + [(4, struct.pack('<I', LOAD + 4096))]))


def test_xen_1_is_asked_for_by_the_option():
    config_image = image_of(' mov $9, %eax\n vmcall\n')
    from hyper.config import DomainConfig
    from hyper.vmm.xen3.build import notes_of
    from para_parts import Console
    assert notes_of(DomainConfig('d', 'para', '', parts.MEMORY, '', config_image, [], -1, Console(), '')) is not None
    assert notes_of(DomainConfig('d', 'para', '', parts.MEMORY, '', config_image, [], -1, Console(), '1.2')) is None
