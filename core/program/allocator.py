"""Memory allocation of training processes, chosen by environment variables when they start.

A step makes and frees hundreds of large tensors. glibc gives each back to the system at once and takes fresh
pages for the next, which the kernel must clear one by one. Told to keep them and to use huge pages, it does
not (docs/explanation/performance.md has what that gains).
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
    """What to add to this process' environment for a training process.

    Empty where the C library is not glibc, another allocator is preloaded, or the user tunes glibc.
    """
    if not _is_glibc() or "GLIBC_TUNABLES" in os.environ or "LD_PRELOAD" in os.environ:
        return {}
    return {"GLIBC_TUNABLES": _tunables()}


def allocation() -> str:
    """How this process allocates, for people."""
    if _is_glibc() and os.environ.get("GLIBC_TUNABLES") == _tunables():
        return "kept between steps (glibc tuned)"
    return "allocated as the system's settings say"


def _is_glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"


def _tunables() -> str:
    return ":".join(f"{name}={value}" for name, value in _TUNABLES.items())
