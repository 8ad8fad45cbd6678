from hyper.loader.detect import BOOT_SECTOR, UNKNOWN, detect, load
from hyper.loader.file import ImageFile

from loader_parts import Ram, file_of, refused, request


def test_a_flat_image_is_entered_at_its_address_in_protected_mode():
    image = load(file_of('\xf4' * 100), request(at=0x200000))
    ram = Ram(4 << 20)
    image.place(ram)
    assert ram.get(0x200000, 101) == '\xf4' * 100 + '\xcc'
    assert image.entry.eip == 0x200000 and image.entry.protected


def test_a_boot_sector_is_entered_in_real_mode_with_vectors_that_return():
    sector = '\xfa\xf4' + '\0' * 508 + '\x55\xaa'
    assert detect(file_of(sector)) == BOOT_SECTOR
    image = load(file_of(sector), request())
    ram = Ram(4 << 20)
    image.place(ram)
    state = image.entry
    assert (state.cs, state.eip, state.esp, state.edx, state.protected) == (0, 0x7c00, 0x7c00, 0x80, False)
    assert ram.get(0x7c00, 512) == sector
    assert ram.get(0x10 * 4, 4) == '\x53\xff\x00\xf0' and ram.get(0xfff53, 1) == '\xcf'
    assert ram.get(0x413, 2) == '\x7f\x02'


def test_an_unknown_file_asks_for_an_address():
    assert detect(file_of('whatever')) == UNKNOWN
    refused(lambda: load(file_of('whatever'), request()), '--at')


def test_what_does_not_fit_or_takes_no_modules_is_refused():
    refused(lambda: load(file_of('x' * 10), request(at=(4 << 20) - 5)), 'do not fit')
    refused(lambda: load(file_of('x'), request(at=0, modules=[ImageFile('m', 'm')])), '--module')
    refused(lambda: load(file_of('x'), request(memory=640 << 10, at=0)), '1M')
