"""Small guests for the tests, built once each."""
import hashlib
import os
import pathlib
import signal
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from guestkit.build import build_file          # noqa: E402

HYPER = os.environ.get('HYPER', str(ROOT / 'bin' / 'hyper'))

# A make that a test starts is none of the make that runs the tests; and where that runs in the background, Ctrl-C is ignored until it is asked for.
for name in ('MAKEFLAGS', 'MFLAGS', 'MAKELEVEL'):
    os.environ.pop(name, None)
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope='session')
def guest(tmp_path_factory):
    """The path of a guest made from C or assembly text."""
    directory = tmp_path_factory.mktemp('guests')

    def build(text, backend='bare', suffix='.c'):
        name = hashlib.sha256(text.encode()).hexdigest()[:12]
        source, image = directory / (name + suffix), directory / f'{name}-{backend}.elf'
        if not image.exists():
            source.write_text(text)
            build_file([source], image, backend)
        return str(image)
    return build


HELLO = '''
#include "guest.h"
int main(const char *command_line) { print("hello %s\\n", command_line); return 0; }
'''


@pytest.fixture
def hello(guest):
    """A guest that prints hello and its command line, and powers off."""
    return guest(HELLO)
