"""Opens the files of an import source, and none outside of a folder to which this process is confined.

A link below that folder may lead elsewhere, and may be made after the source was checked. So each file is
opened from the folder's descriptor, and the kernel refuses to leave it: by openat2 with RESOLVE_BENEATH,
which Linux has since 5.6, else by opening every folder on the way without following links. A link that stays
below the folder is followed.
"""

import ctypes
import errno
import io
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_OPENAT2 = 437
"""Number of the system call, the same on every architecture of Linux."""
_RESOLVE_NO_MAGICLINKS, _RESOLVE_BENEATH = 0x02, 0x08
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""A pipe in place of a file is then refused, instead of waited for."""
_LEFT = (errno.EXDEV, errno.ELOOP, errno.ENOTDIR)
"""What the kernel answers to a path with a link: that it leads out, or that it is not followed."""
_NOT_SUPPORTED = (errno.ENOSYS, errno.EPERM, errno.EINVAL, errno.E2BIG)
_TRIES = 8
"""The kernel asks to try again if folders were moved while it looked."""


Stream = io.BufferedReader | io.BytesIO
"""A source file opened for reading: from disk, or from memory."""


@dataclass(frozen=True)
class Confinement:
    """The only folder below which source files are opened, and folders of this process' own files."""

    root: Path
    own: tuple[Path, ...] = ()


class LeadsOut(PermissionError):  # noqa: N818 - the name states the error
    """A path leads out of the folder to which this process is confined."""


_confined_to: list[Confinement] = []


@contextmanager
def confined(confinement: Confinement | None) -> Iterator[None]:
    """Confine this process while the block runs; None changes nothing."""
    if confinement is None:
        yield
        return
    confine(confinement)
    try:
        yield
    finally:
        _confined_to.pop()


def confine(confinement: Confinement) -> None:
    """Confine this process from now on."""
    _confined_to.append(confinement)


def confinement() -> Confinement | None:
    """What this process is confined to, for its child processes."""
    return _confined_to[-1] if _confined_to else None


def open_source(path: Path) -> Stream:
    """Open a regular file of a source for reading; within `opened_by`, by the function given there.

    Raises:
        OSError: it cannot be read, is no regular file, or leads out of the folder to which this process is
            confined.
    """
    return _opener.get()(path)


def open_file(path: Path) -> io.BufferedReader:
    """Open a file as `open_source`, always from disk."""
    return os.fdopen(_descriptor(path), "rb")


_opener: ContextVar[Callable[[Path], Stream]] = ContextVar("opener", default=open_file)


@contextmanager
def opened_by(opener: Callable[[Path], Stream]) -> Iterator[None]:
    """Let `open_source` open files by `opener` in this thread, while the block runs."""
    before = _opener.set(opener)
    try:
        yield
    finally:
        _opener.reset(before)


def open_source_raw(path: Path) -> io.RawIOBase | io.BytesIO:
    """Open a file as `open_source`, without a buffer of its own."""
    stream = open_source(path)
    return stream.detach() if isinstance(stream, io.BufferedReader) else stream


def read_source(path: Path) -> bytes:
    """Read a whole file of a source. Raises as `open_source`; the caller bounds its size."""
    with open_source(path) as stream:
        return stream.read()


def open_source_text(path: Path, *, encoding: str, newline: str | None = None) -> io.TextIOWrapper:
    """Open a text file of a source. Raises as `open_source`."""
    return io.TextIOWrapper(open_source(path), encoding=encoding, newline=newline)


def is_source_file(path: Path) -> bool:
    """Whether a path is a regular file, or a link to one, that does not lead out."""
    if confinement() is None:
        return path.is_file()
    try:
        os.close(_descriptor(path))
    except LeadsOut:
        return False
    except PermissionError:
        return True  # the message about it comes when it is read
    except OSError:
        return False
    return True


def check_source(path: Path) -> None:
    """Check that a file or folder does not lead out of the folder to which this process is confined.

    Raises:
        LeadsOut: it does.
    """
    if confinement() is not None:
        with suppress(FileNotFoundError):
            os.close(_opened(path))


@contextmanager
def pinned(path: Path) -> Iterator[Path]:
    """Open a file as `open_source`, and yield a path that goes on to name it when `path` is replaced."""
    if confinement() is None:
        yield path
        return
    with open_source(path) as stream:
        yield Path("/proc/self/fd" if sys.platform == "linux" else "/dev/fd", str(stream.fileno()))


def _descriptor(path: Path) -> int:
    descriptor = _opened(path)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return descriptor


def _opened(path: Path) -> int:
    held = confinement()
    if held is None or _is_own(path, held):
        return os.open(path, _READ)
    if not path.is_relative_to(held.root):
        raise _leads_out(path, held.root)
    try:
        return _open_below(held.root, path.relative_to(held.root))
    except OSError as error:
        if error.errno not in _LEFT:
            raise
    # A link. It may lead to another place below the root, which is opened as strictly.
    real, real_root = Path(os.path.realpath(path)), Path(os.path.realpath(held.root))
    if not real.is_relative_to(real_root):
        raise _leads_out(path, held.root)
    try:
        return _open_below(held.root, real.relative_to(real_root))
    except OSError as error:
        raise (_leads_out(path, held.root) if error.errno in _LEFT else error) from None


def _is_own(path: Path, held: Confinement) -> bool:
    """Whether a path is one of our own files. One with `..` may lead anywhere, and none of them needs it."""
    return ".." not in path.parts and any(path.is_relative_to(folder) for folder in held.own)


def _open_below(root: Path, relative: Path) -> int:
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(NotImplementedError):
            return _openat2(folder, relative)
        return _walk(folder, relative.parts)
    finally:
        os.close(folder)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def _openat2(folder: int, relative: Path) -> int:
    """Open by one system call. Raises NotImplementedError where there is none, or a sandbox forbids it."""
    if sys.platform != "linux":
        raise NotImplementedError
    how = _OpenHow(_READ, 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS)
    call = _libc().syscall
    for _ in range(_TRIES):
        found = call(_OPENAT2, folder, os.fsencode(relative), ctypes.byref(how), ctypes.sizeof(how))
        if found >= 0:
            return int(found)
        number = ctypes.get_errno()
        if number in _NOT_SUPPORTED:
            raise NotImplementedError
        if number != errno.EAGAIN:
            break
    raise OSError(number, os.strerror(number), str(relative))


def _walk(folder: int, parts: Sequence[str]) -> int:
    """Open folder by folder, and follow no link."""
    if not parts or ".." in parts:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), "/".join(parts))
    here = os.dup(folder)
    for part in parts[:-1]:
        try:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
        finally:
            os.close(here)
        here = below
    try:
        return os.open(parts[-1], _READ | os.O_NOFOLLOW, dir_fd=here)
    finally:
        os.close(here)


def _leads_out(path: Path, root: Path) -> OSError:
    why = f"it leads out of {root}, the folder that may be read; put it below that folder"
    return LeadsOut(errno.EACCES, why, str(path))
