"""Guests from Debian packages: fetched by apt without installing anything and without root, into build/debian; None where that cannot be."""
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLACE = ROOT / 'build' / 'debian'
SECONDS = 300


def apt(*words):
    """The output of an apt tool that keeps its state under PLACE and thinks in i386; raises if it fails."""
    state = PLACE / 'apt'
    for directory in ['state/lists/partial', 'cache/archives/partial']:
        (state / directory).mkdir(parents=True, exist_ok=True)
    (state / 'status').touch()
    options = []
    for option in ['APT::Architecture=i386', 'APT::Architectures=i386', f'Dir::State={state}/state', f'Dir::State::status={state}/status',
                   f'Dir::Cache={state}/cache', f'APT::Sandbox::User={os.environ.get("USER", "root")}']:
        options += ['-o', option]
    return subprocess.run([words[0], *options, *words[1:]], cwd=PLACE, check=True, timeout=SECONDS, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def fetch(package):
    """Unpacks a package under PLACE; the directory of it."""
    target = PLACE / package
    if not target.exists():
        apt('apt-get', 'download', package)
        archive = next(PLACE.glob(f'{package}_*.deb'))
        subprocess.run(['dpkg', '-x', archive, target], check=True)
        archive.unlink()
    return target


def find(name, pattern):
    """The file of a package that matches a pattern under /boot, or None with no Debian archive in reach. A package that only depends on the
    versioned one is followed to it."""
    if shutil.which('apt-get') is None or shutil.which('dpkg') is None:
        return None
    PLACE.mkdir(parents=True, exist_ok=True)
    found = sorted(PLACE.glob(f'*/boot/{pattern}'))
    if found:
        return found[0]
    try:
        try:
            apt('apt-get', 'update')
        except subprocess.CalledProcessError:
            pass                    # one index may be missing; what is there is enough if the package is in it
        package = name
        for line in apt('apt-cache', 'depends', name).splitlines():
            word = line.split()[-1].strip('<>')
            if word.startswith(name.rsplit('-', 1)[0] + '-') and word[len(name.rsplit('-', 1)[0]) + 1].isdigit():
                package = word
        directory = fetch(package)
    except (subprocess.SubprocessError, StopIteration):
        return None
    found = sorted(directory.glob(f'boot/{pattern}'))
    return found[0] if found else None
