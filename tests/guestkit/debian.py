"""Guests from Debian packages, in build/debian; a test is skipped where they cannot be had."""
import functools
import pathlib

import pytest

from guestkit.linux.debian import Debian, FetchError

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEBIAN = Debian(ROOT / 'build' / 'debian')


@functools.cache
def try_to_find(package, pattern):
    try:
        return DEBIAN.find(package, pattern)
    except FetchError as error:
        return error


def find(package, pattern):
    """The file of a package, or the test is skipped."""
    found = try_to_find(package, pattern)
    if isinstance(found, FetchError):
        pytest.skip(str(found))
    return found
