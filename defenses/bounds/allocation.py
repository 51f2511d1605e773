"""Memory between computations of bounds.

Bounding a network of images takes and frees tensors of tens of megabytes all the time. The C library gives such
memory back to the system at once, and getting it again, page by page, can take longer than the arithmetic.
"""

from __future__ import annotations

import ctypes
from typing import Any

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""Names of two settings of mallopt(3)."""


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, for its next tensors; its resident size then stays at its peak.

    Returns:
        Whether the C library knows how (GNU's does).
    """
    mallopt = _function("mallopt")
    return mallopt is not None and bool(mallopt(MMAP_MAX, 0)) and bool(mallopt(TRIM_THRESHOLD, 2**31 - 1))


def give_back_freed_memory() -> None:
    """Return what is kept to the system, where the C library knows how."""
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


def _function(name: str) -> Any:
    """A function of the C library; None where there is none of that name."""
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except TypeError:  # systems without one library for all
        return None
