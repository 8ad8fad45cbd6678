"""Files of Debian packages for i386: fetched with apt into a directory of their own, without root and without installing anything.

apt checks the signatures, with the keys and the sources of the machine; its lists and cache are kept in the directory too.
"""
import fnmatch
import os
import pathlib
import shutil
import subprocess
import time

from guestkit.errors import GuestkitError

PLACE = pathlib.Path('build/debian')
SECONDS = 300                   # for one command of apt
LOOK = 0.2                      # seconds between two looks at how far a download is


class FetchError(GuestkitError):
    """A package is not to be had."""


def silent(text):
    pass


def with_version(package):
    """Patterns of the names that a package has with a version in them: linux-image-686-pae is linux-image-6.1.0-50-686-pae."""
    words = package.split('-')
    return [f'{"-".join(words[:count])}-[0-9]*-{"-".join(words[count:])}' for count in range(1, len(words))]


class Debian:
    """The packages under a directory. `say` is told what is done; `progress` gets (done, all) bytes of a download now and then."""

    def __init__(self, place=PLACE, say=silent, progress=None):
        self.place = pathlib.Path(place).absolute()
        self.say = say
        self.progress = progress or (lambda done, all: None)
        self.updated = False

    def find(self, package, pattern):
        """The file of a package that matches a pattern like 'boot/vmlinuz-*'; fetched if it is not there. A package that only depends on one with
        a version in its name is followed to that. Raises FetchError."""
        found = self.there(package, pattern)
        if found is None:
            self.need_apt()
            self.update()
            directory = self.fetch(self.versioned(package))
            found = next(iter(sorted(directory.glob(pattern))), None)
        if found is None:
            raise FetchError(f'{package}: has no {pattern}; name another package')
        return found

    def there(self, package, pattern):
        """The newest such file that was fetched before, None if there is none."""
        found = [path for name in [package, *with_version(package)] for directory in self.place.glob(name) for path in directory.glob(pattern)]
        return max(found, key=lambda path: path.stat().st_mtime, default=None)

    def need_apt(self):
        for tool in ('apt-get', 'apt-cache', 'dpkg-deb'):
            if shutil.which(tool) is None:
                raise FetchError(f'{tool}: not found; packages are fetched with the tools of Debian, so run this there, or put the files in place yourself')

    def update(self):
        if self.updated:
            return
        self.say('reading the lists of Debian packages for i386')
        state = self.place / 'apt'
        for directory in ['state/lists/partial', 'cache/archives/partial']:
            (state / directory).mkdir(parents=True, exist_ok=True)
        (state / 'status').touch()
        self.apt('apt-get', 'update', check=False)      # one index may be missing; what is there is enough if the package is in it
        self.updated = True

    def command(self, *words):
        """The words of an apt tool that keeps its state under the directory and thinks in i386."""
        state = self.place / 'apt'
        options = []
        for option in ['APT::Architecture=i386', 'APT::Architectures=i386', f'Dir::State={state}/state', f'Dir::State::status={state}/status',
                       f'Dir::Cache={state}/cache', f'APT::Sandbox::User={os.environ.get("USER", "root")}']:
            options += ['-o', option]
        return [words[0], *options, *words[1:]]

    def apt(self, *words, check=True):
        """The output of an apt tool; raises FetchError if it fails."""
        try:
            done = subprocess.run(self.command(*words), cwd=self.place, timeout=SECONDS, text=True, capture_output=True, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            raise FetchError(f'{" ".join(words)}: no answer in {SECONDS} s; is the network there?') from None
        if check and done.returncode != 0:
            raise FetchError(f'{" ".join(words)}: {last_line(done.stderr)}; is a Debian archive among the sources of apt, and the network there?')
        return done.stdout

    def versioned(self, package):
        """linux-image-686 is an empty package that depends on linux-image-VERSION-686; any other stands for itself."""
        for line in self.apt('apt-cache', 'depends', package).splitlines():
            word = line.split()[-1].strip('<>')
            if any(fnmatch.fnmatch(word, pattern) for pattern in with_version(package)):
                return word
        return package

    def size(self, package):
        """The bytes of its archive, 0 if that is not known."""
        sizes = [line.split()[1] for line in self.apt('apt-cache', 'show', package, check=False).splitlines() if line.startswith('Size: ')]
        return int(sizes[0]) if sizes and sizes[0].isdigit() else 0

    def fetch(self, package):
        """Downloads and unpacks a package; its directory."""
        target = self.place / package
        if target.exists():
            return target
        size = self.size(package)
        self.say(f'downloading {package}' + (f', {size / 1e6:.1f} MB' if size else ''))
        unfinished = self.place / f'{package}.unpacking'
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        try:
            self.download(package, size, unfinished)
            archive = next(unfinished.glob('*.deb'), None)
            if archive is None:
                raise FetchError(f'{package}: apt has downloaded nothing')
            self.say(f'unpacking {package}')
            if subprocess.run(['dpkg-deb', '-x', archive, unfinished / 'files'], capture_output=True).returncode != 0:
                raise FetchError(f'{archive}: cannot be unpacked; is the disk full?')
            (unfinished / 'files').rename(target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return target

    def download(self, package, size, directory):
        """Into the directory, telling how far it is."""
        child = subprocess.Popen(self.command('apt-get', 'download', package), cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + SECONDS
        try:
            while True:
                try:
                    errors = child.communicate(timeout=LOOK)[1]
                    break
                except subprocess.TimeoutExpired:
                    if time.monotonic() > end:
                        raise FetchError(f'{package}: not downloaded in {SECONDS} s; is the network there?') from None
                    self.progress(sum(path.stat().st_size for path in directory.iterdir() if path.is_file()), size)
        finally:
            if child.returncode is None:
                child.kill()
                child.communicate()
        self.progress(size, size)
        if child.returncode != 0:
            raise FetchError(f'{package}: not downloaded: {last_line(errors)}')


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else 'failed without a word'
