"""Tunes glibc's memory allocator for training processes, by environment variables set at their start.

A step allocates and frees hundreds of large tensors. By default glibc returns each to the system and then
requests new pages, which the kernel must clear. With these settings glibc keeps freed memory and uses huge
pages (gain: docs/explanation/performance.md).
"""

import os
import platform

_GIB = 1 << 30
_TUNABLES = {
    "glibc.malloc.hugetlb": 1,  # ask for transparent huge pages
    "glibc.malloc.mmap_threshold": 16 * _GIB,  # no mapping, and so no unmapping, for a single tensor
    "glibc.malloc.trim_threshold": 16 * _GIB,  # freed memory stays with the process
    "glibc.malloc.top_pad": _GIB // 4,
}


def tuned_environment() -> dict[str, str]:
    """Return the environment variables to add for a training process.

    Empty if the C library is not glibc, another allocator is preloaded, or the user tunes glibc.
    """
    if not _is_glibc() or "GLIBC_TUNABLES" in os.environ or "LD_PRELOAD" in os.environ:
        return {}
    return {"GLIBC_TUNABLES": _tunables()}


def allocation() -> str:
    """Describe the allocator settings of this process, for a log message."""
    if _is_glibc() and os.environ.get("GLIBC_TUNABLES") == _tunables():
        return "kept between steps (glibc tuned)"
    return "allocated as the system's settings say"


def _is_glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"


def _tunables() -> str:
    return ":".join(f"{name}={value}" for name, value in _TUNABLES.items())
