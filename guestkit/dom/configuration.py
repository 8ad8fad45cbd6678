"""The configuration of a domain: a TOML file, with the names that xl's configuration files have.

    name = "web"                # letters, digits, and . _ - +
    kernel = "build/guests/kernel-para.elf"
    ramdisk = "build/guests/archive.img"
    memory = 32                 # in MB, or a text like "512K"
    extra = "quiet"             # the kernel's command line; cmdline is another word for it
    type = "pv"                 # pv (the default) or hvm

Values given on the command line as NAME=VALUE replace those of the file.
"""
import os
import re
import tomllib

from guestkit.errors import BadInput

TYPES = {'pv': 'para', 'para': 'para', 'hvm': 'full', 'full': 'full'}
ACTIONS = ('destroy', 'preserve', 'restart')
USUAL_WEIGHT = 256              # as xl has it
USUAL_ADVANCE = 10              # the mcu_advance that goes with it

# name: the kinds of value it may have
KEYS = {
    'name': (str,), 'kernel': (str,), 'ramdisk': (str,), 'memory': (int, str), 'cmdline': (str,), 'extra': (str,), 'type': (str,), 'mmu': (str,),
    'interface': (str,), 'privileged': (bool,), 'disk': (list,), 'vif': (list,), 'cpu_weight': (int,), 'on_poweroff': (str,), 'on_reboot': (str,),
    'on_crash': (str,), 'sched': (dict,),
}
SCHED_KEYS = {'weight': (int,), 'warp': (str,), 'warp_limit': (str,), 'unwarp': (str,)}
PATHS = ('kernel', 'ramdisk')
# what the engine calls it
OPTIONS = {'memory': '--memory', 'mmu': '--mmu', 'interface': '--interface', 'ramdisk': '--module', 'extra': '--append', 'privileged': '--privileged', 'disk': '--disk',
           'vif': '--net', 'name': '--name', 'type': '--mode', 'warp_limit': '--warp-limit', 'warp': '--warp', 'unwarp': '--unwarp'}


def read(path, changes=()):
    """The configuration of a file as a dictionary, with absolute paths, that `check` has found good."""
    try:
        with open(path, 'rb') as file:
            configuration = tomllib.load(file)
    except OSError as error:
        raise BadInput(f'{path}: cannot be read ({error.strerror}); give the path of a domain configuration') from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f'{path}: not TOML ({error}); see guestkit dom create --help') from None
    for change in changes:
        name, sign, value = change.partition('=')
        if not sign:
            raise BadInput(f'{change}: not understood; write NAME=VALUE, such as memory=64')
        configuration[name.strip()] = parse_value(value.strip())
    configuration.setdefault('name', os.path.splitext(os.path.basename(path))[0])
    check(configuration)
    here = os.path.dirname(os.path.abspath(path))
    for name in PATHS:
        if name in configuration:
            configuration[name] = os.path.join(here, os.path.expanduser(configuration[name]))
    if 'disk' in configuration:
        configuration['disk'] = [os.path.join(here, os.path.expanduser(disk)) for disk in configuration['disk']]
    return configuration


def parse_value(text):
    """A value as TOML has it; a bare word is a text."""
    try:
        return tomllib.loads(f'value = {text}')['value']
    except tomllib.TOMLDecodeError:
        return text


def check(configuration):
    """Raises BadInput, in one line, if a configuration (from a file or the socket) is not one."""
    if not isinstance(configuration, dict):
        raise BadInput('a domain configuration is a table of names and values')
    check_keys(configuration, KEYS, '')
    for name in ('name', 'kernel'):
        if name not in configuration:
            raise BadInput(f'{name}: a domain configuration must have it; see guestkit dom create --help')
    check_keys(configuration.get('sched', {}), SCHED_KEYS, 'sched.')
    for name in ('disk', 'vif'):
        if not all(isinstance(one, str) for one in configuration.get(name, [])):
            raise BadInput(f'{name}: must be a list of texts, such as {name} = ["..."]')
    if configuration.get('type', 'pv') not in TYPES:
        raise BadInput(f'type {configuration["type"]}: not known; choose from pv, hvm')
    for name in ('on_poweroff', 'on_reboot', 'on_crash'):
        if configuration.get(name, 'destroy') not in ACTIONS:
            raise BadInput(f'{name} {configuration[name]}: not known; choose from {", ".join(ACTIONS)}')
    if 'cmdline' in configuration and 'extra' in configuration:
        raise BadInput('cmdline and extra: mean the same; leave out one of them')
    check_weight(weight_of(configuration))


def check_weight(weight):
    if not 1 <= weight <= 10 * USUAL_WEIGHT:
        raise BadInput(f'weight {weight}: must be from 1 to {10 * USUAL_WEIGHT}')


def check_keys(table, keys, prefix):
    for name, value in table.items():
        if name not in keys:
            raise BadInput(f'{prefix}{name}: no such name in a domain configuration; choose from {", ".join(keys)}')
        if not isinstance(value, keys[name]) or isinstance(value, bool) and bool not in keys[name]:
            kinds = ' or '.join({str: 'a text', int: 'a number', bool: 'true or false', list: 'a list', dict: 'a table'}[kind] for kind in keys[name])
            raise BadInput(f'{prefix}{name}: must be {kinds}')


def weight_of(configuration):
    return configuration.get('sched', {}).get('weight', configuration.get('cpu_weight', USUAL_WEIGHT))


def advance_of(weight):
    """The mcu_advance, which is the inverse of a weight."""
    return max(1, round(USUAL_ADVANCE * USUAL_WEIGHT / weight))


def weight_from(advance):
    """The weight that an mcu_advance gives."""
    return round(USUAL_ADVANCE * USUAL_WEIGHT / advance)


def words_of_sched(sched):
    """The words of the engine for parameters of scheduling, in a table with the keys SCHED_KEYS; raises BadInput."""
    check_keys(sched, SCHED_KEYS, '')
    result = []
    if 'weight' in sched:
        check_weight(sched['weight'])
        result += ['--mcu-advance', str(advance_of(sched['weight']))]
    for name, option in (('warp', '--warp'), ('warp_limit', '--warp-limit'), ('unwarp', '--unwarp')):
        if name in sched:
            result += [option, sched[name]]
    return checked(result)


def words(configuration):
    """The words of the engine for a good configuration."""
    memory = configuration.get('memory', 32)
    result = [configuration['kernel'], '--name', configuration['name'], '--mode', TYPES[configuration.get('type', 'pv')],
              '--memory', f'{memory}M' if isinstance(memory, int) else memory]
    for name, option in (('mmu', '--mmu'), ('interface', '--interface'), ('ramdisk', '--module'), ('cmdline', '--append'), ('extra', '--append')):
        if name in configuration:
            result += [option, configuration[name]]
    if configuration.get('privileged'):
        result.append('--privileged')
    for disk in configuration.get('disk', []):
        result += ['--disk', disk]
    for vif in configuration.get('vif', []):
        result += ['--net', vif]
    return checked(result + words_of_sched({**configuration.get('sched', {}), 'weight': weight_of(configuration)}))


def named(text):
    """What the engine says is wrong, with the names of a configuration."""
    for name, option in OPTIONS.items():
        text = re.sub(rf'(?<!\S){option}(?![\w-])', name, text)
    return text


def checked(words):
    """The words, if the engine can be given them."""
    for word in words:
        if '\n' in word or '\0' in word:
            raise BadInput(f'{word!r}: has a line break or zero in it; leave that out')
    return words
