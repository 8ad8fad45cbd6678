"""RPython's own translate command, with our fix and a cache of its own: rpython_fixed.py CACHE [options] TARGET.

Its cache of compiler checks is emptied at each start, so two translations at a time must not share one.
"""

import gc
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from rpython.config import translationoption

if __name__ == '__main__':
    gc.disable()        # a quarter of the time goes into it otherwise, and a translation makes little garbage
    translationoption.CACHE_DIR = os.path.abspath(sys.argv.pop(1))
    from toolchain import merge_if_blocks_fix
    from rpython.translator.goal.translate import main
    main()
