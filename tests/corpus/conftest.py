import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import engines


def pytest_addoption(parser):
    parser.addoption('--engines', default='', help='which to compare, of %s; by default those that are built' % ','.join(engines.ENGINES))


def pytest_generate_tests(metafunc):
    if 'compared' in metafunc.fixturenames:
        named = metafunc.config.getoption('--engines')
        compared = named.split(',') if named else [engine for engine in engines.ENGINES if engines.present(engine)]
        metafunc.parametrize('compared', [compared], ids=['+'.join(compared)])
