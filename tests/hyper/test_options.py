import pytest

from hyper.errors import UserError
from hyper.options import DomainOptions, MB, parse


def refused(line, *words):
    with pytest.raises(UserError) as caught:
        parse(line.split(' '))
    assert '\n' not in caught.value.text
    for word in words:
        assert word in caught.value.text


def test_an_image_alone_runs_natively_with_32_mb():
    options = parse(['kernel'])
    assert len(options.domains) == 1
    domain = options.domains[0]
    assert (domain.image, domain.mode, domain.memory, domain.append, domain.at, domain.copies) == (
        'kernel', 'native', 32 * MB, '', -1, 1)
    assert options.timeout < 0 and options.instructions < 0 and options.report == 'text'


def test_firmware_takes_the_place_of_the_image_on_a_bare_machine():
    domain = parse(['--firmware', 'bios.bin', '--memory', '16M']).domains[0]
    assert (domain.image, domain.firmware, domain.memory) == ('bios.bin', True, 16 * MB)
    refused('kernel --firmware bios.bin', '--firmware', 'kernel')
    refused('--firmware bios.bin --mode full', '--firmware', '--mmu ept')
    refused('--firmware bios.bin --mode para', '--firmware', '--mode native')
    assert parse('--firmware bios.bin --mode full --mmu ept'.split()).domains[0].firmware
    domain = parse('--cdrom d.iso'.split()).domains[0]
    assert (domain.firmware, domain.image, domain.disks[0].interface) == (True, '/usr/share/seabios/bios.bin', 'cdrom')
    refused('--cdrom d.iso --mode full', 'image comes first')
    refused('--firmware bios.bin --module m', '--firmware', '--module')


def test_every_option_is_understood():
    options = parse(['k', '--mode', 'full', '--mmu', 'ept', '--memory', '64M', '--append', 'a b', '--module', 'm1',
                     '--module', 'm2', '--timeout', '1.5', '--instructions', '1000', '--cpu', 'core2', '--at', '0x100000',
                     '--copies', '3', '--report', 'json', '--report-file', 'out', '--final-state', 'state',
                     '--jit', 'off'])
    domain = options.domains[0]
    assert (domain.mode, domain.mmu, domain.memory, domain.append) == ('full', 'ept', 64 * MB, 'a b')
    assert (domain.modules, domain.at, domain.copies) == (['m1', 'm2'], 0x100000, 3)
    assert (options.timeout, options.instructions, options.cpu) == (1.5, 1000, 'core2')
    assert (options.report, options.report_file, options.final_state, options.jit) == ('json', 'out', 'state', 'off')


def test_the_image_and_its_ramdisk_are_named_as_users_of_qemu_know_them():
    options = parse(['--mode', 'full', '--kernel', 'vmlinuz', '--initrd', 'i.gz', '--expect', '# ', '--realtime', '--symbols', 'map'])
    domain = options.domains[0]
    assert (domain.mode, domain.image, domain.modules) == ('full', 'vmlinuz', ['i.gz'])
    assert (options.expect, options.realtime, options.symbols) == ('# ', True, 'map')
    assert [d.image for d in parse('--mode para --kernel a --domain --kernel b'.split()).domains] == ['a', 'b']
    refused('a --kernel b', 'a is the image already')
    refused('--initrd i --mode full', 'image comes first')
    refused('a --mode full --domain --mmu ept', 'image comes first')
    with pytest.raises(UserError):
        parse(['a', '--expect', ''])
    refused('a --symbols map', '--mode native')


def test_a_network_is_user_space_or_a_tap_interface_and_its_adapter_has_an_address():
    domain = parse('k --net tap,ifname=tap7,mac=52:54:00:ab:CD:01'.split()).domains[0]
    assert (domain.network, domain.tap, domain.ethernet_address) == ('tap', 'tap7', '\x52\x54\x00\xab\xcd\x01')
    domain = parse('k --net user'.split()).domains[0]
    assert (domain.network, domain.ethernet_address) == ('user', '\x52\x54\x00\x12\x34\x56')
    refused('k --net tap', 'ifname')
    refused('k --net tap,ifname=a-name-that-is-too-long', '15')
    refused('k --net user,ifname=tap0', 'ifname=tap0 is not known')
    for address in ('52:54:00:12:34', '52:54:00:12:34:5g', '53:54:00:12:34:56', '0:54:00:12:34:56', ''):
        refused('k --net user,mac=' + address, 'mac=')
    refused('k --mode full --net tap,ifname=a --copies 2', 'share')


def test_further_domains_have_their_own_options_and_follow_the_one_before():
    options = parse('a --mode para --memory 4M --append x --domain b --append y --domain c --mode full --mmu ept'.split())
    assert [d.image for d in options.domains] == ['a', 'b', 'c']
    assert [d.mode for d in options.domains] == ['para', 'para', 'full']
    assert [d.append for d in options.domains] == ['x', 'y', '']
    assert [d.memory for d in options.domains] == [4 * MB] * 3


@pytest.mark.parametrize('text, size', [('1M', MB), ('4096K', 4 * MB), ('1g', 1 << 30), ('2097152', 2 * MB), ('0x200000', 2 * MB)])
def test_sizes(text, size):
    assert parse(['k', '--memory', text]).domains[0].memory == size


def test_bad_input_says_what_and_how_to_mend_it():
    refused('--mode native', 'image comes first')
    refused('k --memory', 'needs a value')
    for text in ('0', '12', '999K', '1M1', 'M', '4G', '99999999999999999999', '99999999999999M', '-5M', '1048577', '0x', ''):
        refused('k --memory ' + text, '--memory ' + text)
    refused('k --mode paravirtual', 'native, para, full')
    refused('k --mmu ept', '--mode full')
    refused('k --timeout soon', 'seconds')
    refused('k --timeout 0', 'seconds')
    refused('k --timeout 1.2.3', 'seconds')
    refused('k --instructions -1', 'not a number')
    refused('k other', '--domain')
    refused('k --frobnicate', 'no such option')
    refused('k --copies 2', '--mode native')
    refused('k --mode para --copies 0', 'from 1')
    refused('k --mode para --copies 600 --domain l --copies 600', 'fewer')
    refused('k --mode para --at 0x1000', '--at')
    refused('k --mode full --interface 1.2', '--interface', 'para')
    refused('k --mode para --interface 3.0', '1.0, 1.2')
    refused('k --domain', 'image comes first')


def test_nothing_at_all_asks_for_an_image():
    with pytest.raises(UserError):
        parse([])


def test_interfaces_of_a_paravirtual_domain():
    domain = parse('k --mode para --net user,forward=tcp:8080-80,forward=udp:7-7 --net domains,rate=1M,norules'.split()).domains[0]
    assert [(chosen.kind, chosen.rate, chosen.rules) for chosen in domain.interfaces] == [('user', 0, True), ('domains', MB, False)]
    assert [(f.is_udp, f.host_port, f.guest_port) for f in domain.forwards] == [(False, 8080, 80), (True, 7, 7)]
    assert not parse('k --mode para --net domains'.split()).realtime and parse('k --mode para --net user'.split()).realtime
    for words in ('user,forward=tcp:80', 'user,forward=tcp:0-80', 'user,forward=sctp:1-2', 'user,forward=tcp:1-65536', 'domains,forward=tcp:1-2', 'user,what'):
        refused('k --mode para --net ' + words, '--net')
    refused('k --net domains', 'para')
    assert len(parse('k --mode para --net domains,norules --rule accept,to=0.0 --rule count'.split()).rules) == 2
    refused('k --mode para --net domains --rule drop', '--rule', 'accept')
    refused('k --mode full --net user,rate=1M', 'rate=')
    refused('k --mode para --copies 2 --net user,forward=tcp:1-2', '--copies 1')
    refused('k --mode para' + 9 * ' --net domains', '8 interfaces')


def test_disks_of_a_paravirtual_domain():
    assert parse('k --mode para --disk d,rate=2M'.split()).domains[0].disks[0].rate == 2 * MB
    refused('k --mode para --disk d,virtio', 'virtio')
    refused('k --mode para --disk d,rate=0', 'rate')
    refused('k --mode full --disk d,rate=1M', 'para')


def test_what_is_typed_goes_to_the_serial_line_or_to_the_keyboard():
    assert parse(['k']).domains[0].keyboard == 'serial'
    assert parse('k --keyboard ps2'.split()).domains[0].keyboard == 'ps2'
    refused('k --keyboard piano', 'choose from')
    refused('k --mode para --keyboard ps2', 'no PC')
