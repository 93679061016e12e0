"""Memory that a network gives back and takes again at once, kept by this process meanwhile."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from functools import lru_cache

# mallopt's, of malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST = 2**26  # bytes; what fills larger pieces takes far longer than their pages
_KEPT = 2**28  # bytes at most that lie free at the end of a heap


@lru_cache(maxsize=1)
def keep_freed_memory() -> bool:
    """Have glibc keep what a pass frees for the next operation; says whether it does, nowhere but with glibc.

    Torch asks for every intermediate result anew. By default glibc gives large ones back to the system as soon as
    they are freed, which clears every page of them when they are asked for again: in a small network's pass 500 to
    2,500 pages a clip, up to a sixth of its time. Of ViT-L it is a twentieth, for a tenth more memory at the peak.
    """
    if not sys.platform.startswith("linux"):
        return False
    with suppress(OSError, AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST) and mallopt(_M_TRIM_THRESHOLD, _KEPT))
    return False
