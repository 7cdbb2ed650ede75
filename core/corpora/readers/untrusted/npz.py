"""Read arrays from untrusted `.npz` and `.npy` files.

Pickled objects are rejected. Sizes are checked before memory is allocated. A large array can be read row by
row without unpacking it first.
"""

import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from core.corpora.readers.untrusted.clip_size import check_shape
from core.corpora.readers.untrusted.member_paths import with_slashes
from core.corpora.readers.untrusted.naming import listed
from core.corpora.readers.untrusted.zip_files import UntrustedZip, is_zip
from core.errors import CorpusError, is_disk_full
from core.file_kinds import A_ZIP, seems_to_be
from core.source_files import open_source

MAX_ARRAY_BYTES = 512 * 2**20
"""Maximum array size read into memory at once."""
MAX_ARRAYS = 10_000
"""Maximum arrays of a file."""
MAX_HEADER_BYTES = 2**16
"""Maximum .npy header size read; NumPy itself rejects headers above 10000 characters."""

NPZ = ".npz"

_CHUNK_BYTES = 2**20
_LENGTH_AT = 8
"""Offset of the header length in a .npy file, after the magic string and the version."""

_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    tokenize.TokenError,
    EOFError,
    OverflowError,
    RuntimeError,  # an encrypted member, an unknown compression, a header nested too deep
    SyntaxError,
    TypeError,
    ValueError,
)
"""Exceptions of zipfile, its decompressors and NumPy for a damaged or malicious file."""
_FLOAT64 = np.dtype("f8")


class ArrayRows:
    """An array read sequentially, row by row. In Fortran order it is read whole at the first read."""

    def __init__(
        self, stream: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...], *, fortran_order: bool = False
    ) -> None:
        self.dtype = dtype
        self.shape = shape
        self._stream = stream
        self._fortran_order = fortran_order
        self._whole: np.ndarray | None = None
        self._num_read = 0

    def read(self, num_rows: int) -> np.ndarray:
        """Read the next rows, (num_rows, ...)."""
        if self._fortran_order:
            return self._next_of_whole(num_rows)
        return self._next((num_rows, *self.shape[1:]))

    def read_all(self) -> np.ndarray:
        """Read the whole array; only valid before any other read."""
        if self._fortran_order:
            return self._next_of_whole(self.shape[0])
        return self._next(self.shape)

    def _next_of_whole(self, num_rows: int) -> np.ndarray:
        """Return the next rows of an array whose rows are not together in the file."""
        if self._whole is None:
            self._whole = self._next(self.shape[::-1]).T
        first, self._num_read = self._num_read, self._num_read + num_rows
        return self._whole[first : self._num_read]

    def _next(self, shape: tuple[int, ...]) -> np.ndarray:
        num_bytes = math.prod(shape) * self.dtype.itemsize
        check_shape(shape)
        if num_bytes > MAX_ARRAY_BYTES:
            raise ValueError(f"an array has {num_bytes} bytes; the limit is {MAX_ARRAY_BYTES} bytes")
        data = bytearray(num_bytes)
        self._fill(memoryview(data))
        return np.ndarray(shape, dtype=self.dtype, buffer=data)

    def _fill(self, data: memoryview) -> None:
        """Read in chunks, because a zip file holds what it unpacks for one call twice in memory."""
        filled = 0
        while filled < len(data):
            read = self._stream.readinto(data[filled : filled + _CHUNK_BYTES])  # type: ignore[attr-defined]
            if not read:
                raise ValueError(f"it ends early: {len(data) - filled} bytes are missing")
            filled += read


class UntrustedNpz:
    """The arrays of one `.npz` file; all errors are CorpusErrors that name the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with as_corpus_error(path):
                self._archive = UntrustedZip(path, max_members=MAX_ARRAYS)
        except CorpusError:
            if is_zip(path):
                raise
            raise not_npz(path) from None
        self.names = tuple(name.removesuffix(".npy") for name in self._archive.namelist())

    def __enter__(self) -> "UntrustedNpz":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._archive.close()

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def array(self, name: str) -> np.ndarray:
        """Read a whole array. A small one is unpacked in one piece, which is twice as fast."""
        if self._size_of(name) > _CHUNK_BYTES:
            with self.rows(name) as rows:
                return rows.read_all()
        with as_corpus_error(self.path, name), self._archive.open(f"{name}.npy") as stream:
            content = BytesIO(stream.read(_CHUNK_BYTES + 1))
            return _open_rows(content, self._size_of(name)).read_all()

    @contextmanager
    def rows(self, name: str) -> Iterator[ArrayRows]:
        """Open an array to read it row by row."""
        size = self._size_of(name)
        with as_corpus_error(self.path, name), self._archive.open(f"{name}.npy") as stream:
            yield _open_rows(stream, size)

    def _size_of(self, name: str) -> int:
        if name not in self:
            raise CorpusError(f"{self.path} has no array {name!r}; it has {listed(map(repr, self.names))}.")
        return self._archive.getinfo(f"{name}.npy").file_size


def is_npz(path: Path) -> bool:
    """Whether a file is a zip with only `.npy` arrays, not in folders unless it is called `.npz`."""
    if not is_zip(path):
        return False
    with as_corpus_error(path), UntrustedZip(path) as archive:
        names = archive.namelist()
    if not names or not all(name.endswith(".npy") for name in names):
        return False
    return path.suffix == NPZ or not any("/" in with_slashes(name) for name in names)


def not_npz(path: Path) -> CorpusError:
    """Return the error for a file that is called `.npz`, but cannot be read as one."""
    seems = seems_to_be(path)
    if seems == A_ZIP:
        return CorpusError(f"{path} is damaged: its end is missing. Copy or write it again.")
    return CorpusError(
        f"{path} is not an .npz file: it seems to be {seems}. Write it again with numpy.savez."
    )


def is_npy(path: Path) -> bool:
    """Whether a file starts like a `.npy` file."""
    with as_corpus_error(path), open_source(path) as stream:
        return stream.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX


def read_npy(path: Path) -> np.ndarray:
    """Read the array of a `.npy` file.

    Raises:
        CorpusError: it cannot be read, is damaged, or holds pickled objects.
    """
    with npy_rows(path) as rows:
        return rows.read_all()


def as_float64(values: Any) -> np.ndarray:
    """Convert numbers to float64, without NumPy's warning for signalling NaNs."""
    if isinstance(values, np.ndarray) and values.dtype is _FLOAT64:
        return values
    with np.errstate(invalid="ignore"):
        return np.asarray(values, dtype="f8")


@contextmanager
def npy_rows(path: Path) -> Iterator[ArrayRows]:
    """Open the array of a `.npy` file to read it row by row.

    Raises:
        CorpusError: it cannot be read, is damaged, or holds pickled objects.
    """
    with as_corpus_error(path), open_source(path) as stream:
        yield _open_rows(stream, path.stat().st_size)


@contextmanager
def as_corpus_error(path: Path, part: str = "") -> Iterator[None]:
    """Convert exceptions from reading a damaged file to a CorpusError that names the file."""
    where = f"{path} ({part})" if part else str(path)
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise  # the disk's fault, not the file's
        raise CorpusError(f"Cannot read {where}: {error.strerror or error}.") from None
    except _DAMAGE as error:
        raise CorpusError(f"{where} is damaged: {str(error).rstrip('.') or type(error).__name__}.") from None


def _open_rows(stream: IO[bytes], num_bytes: int) -> ArrayRows:
    """Read a .npy header and compare its array size with the number of bytes in the file."""
    start = stream.read(_LENGTH_AT)
    version = np.lib.format.read_magic(BytesIO(start))
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version[0]}.{version[1]} of the .npy format is not supported")
    size = stream.read(2 if version == (1, 0) else 4)
    header = stream.read(min(int.from_bytes(size, "little"), MAX_HEADER_BYTES))
    shape, fortran_order, dtype = _parsed_header(version == (1, 0), size + header)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which are never loaded. Save plain numbers or strings")
    promised, present = math.prod(shape) * dtype.itemsize, num_bytes - stream.tell()
    if min((*shape, 0)) < 0 or promised != present:
        raise ValueError(f"its header states {promised} bytes of data, but it has {present}")
    if not promised:
        check_shape(shape)
    return ArrayRows(stream, dtype, shape, fortran_order=fortran_order and len(shape) > 1)


@lru_cache(maxsize=256)
def _parsed_header(first_version: bool, header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Parse shape, order and type. Cached, because NumPy's parsing is slow and headers often repeat."""
    read = np.lib.format.read_array_header_1_0 if first_version else np.lib.format.read_array_header_2_0
    return read(BytesIO(header))
