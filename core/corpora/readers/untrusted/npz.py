"""Reading arrays from `.npz` and `.npy` files that strangers made.

Pickled objects are refused, sizes are checked before memory is taken, and a large array can be read row by
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

from core.errors import CorpusError, is_disk_full

MAX_ARRAY_BYTES = 4 * 2**30
"""Largest array read into memory in one piece."""
MAX_HEADER_BYTES = 2**16
"""Longest .npy header looked at; NumPy itself trusts none above 10000 characters."""

_LENGTH_AT = 8
"""Where a .npy header states its length, after the magic string and the version."""

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
"""What zipfile, its decompressors and NumPy raise at a broken or hostile file."""


class ArrayRows:
    """An array read from its first row to its last."""

    def __init__(self, stream: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self.dtype = dtype
        self.shape = shape
        self._stream = stream

    def read(self, num_rows: int) -> np.ndarray:
        """The next `num_rows` rows, (num_rows, ...)."""
        return self._next((num_rows, *self.shape[1:]))

    def read_all(self) -> np.ndarray:
        """The whole array, where nothing was read yet."""
        return self._next(self.shape)

    def _next(self, shape: tuple[int, ...]) -> np.ndarray:
        num_bytes = math.prod(shape) * self.dtype.itemsize
        if num_bytes > MAX_ARRAY_BYTES:
            raise ValueError(f"an array of {num_bytes} bytes is above the limit of {MAX_ARRAY_BYTES}")
        data = bytearray(num_bytes)
        filled = self._stream.readinto(data) if num_bytes else 0  # type: ignore[attr-defined]
        if filled != num_bytes:
            raise ValueError(f"it ends early: {num_bytes - filled} bytes are missing")
        return np.ndarray(shape, dtype=self.dtype, buffer=data)


class UntrustedNpz:
    """The arrays of one `.npz` file; every fault is a CorpusError that names the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with damage_named(path):
            self._archive = zipfile.ZipFile(path)
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
        """A whole array."""
        with self.rows(name) as rows:
            return rows.read_all()

    @contextmanager
    def rows(self, name: str) -> Iterator[ArrayRows]:
        """An array to be read row by row."""
        if name not in self:
            raise CorpusError(
                f"{self.path} has no array {name!r}; it has {', '.join(map(repr, self.names)) or 'none'}."
            )
        with damage_named(self.path, name), self._archive.open(f"{name}.npy") as stream:
            yield _open_rows(stream, self._archive.getinfo(f"{name}.npy").file_size)


def is_npz(path: Path) -> bool:
    """Whether a file is a zip of arrays at its top level, and so no archive of files."""
    if not zipfile.is_zipfile(path):
        return False
    with damage_named(path), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return bool(names) and all(name.endswith(".npy") and "/" not in name for name in names)


def is_npy(path: Path) -> bool:
    """Whether a file begins as NumPy's own do."""
    with damage_named(path), path.open("rb") as stream:
        return stream.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX


def read_npy(path: Path) -> np.ndarray:
    """One array of a `.npy` file.

    Raises:
        CorpusError: it cannot be read, is damaged, or holds pickled objects.
    """
    with npy_rows(path) as rows:
        return rows.read_all()


def doubles(values: Any) -> np.ndarray:
    """Numbers as float64; what is not a number stays so, without the warning that a signalling NaN gives."""
    with np.errstate(invalid="ignore"):
        return np.asarray(values, dtype="f8")


@contextmanager
def npy_rows(path: Path) -> Iterator[ArrayRows]:
    """The array of a `.npy` file, to be read row by row.

    Raises:
        CorpusError: it cannot be read, is damaged, or holds pickled objects.
    """
    with damage_named(path), path.open("rb") as stream:
        yield _open_rows(stream, path.stat().st_size)


@contextmanager
def damage_named(path: Path, part: str = "") -> Iterator[None]:
    """Turn whatever a broken file makes zipfile, zlib and NumPy raise into a CorpusError that names it."""
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
    """Read a .npy header and compare what it promises with the bytes there are."""
    start = stream.read(_LENGTH_AT)
    version = np.lib.format.read_magic(BytesIO(start))
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version[0]}.{version[1]} of the .npy format is not supported")
    size = stream.read(2 if version == (1, 0) else 4)
    header = stream.read(min(int.from_bytes(size, "little"), MAX_HEADER_BYTES))
    shape, fortran_order, dtype = _parsed_header(version == (1, 0), size + header)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which are never loaded; save plain numbers or strings")
    if fortran_order and len(shape) > 1:
        raise ValueError("it is stored in Fortran order; save numpy.ascontiguousarray of it")
    promised, present = math.prod(shape) * dtype.itemsize, num_bytes - stream.tell()
    if min((*shape, 0)) < 0 or promised != present:
        raise ValueError(f"its header promises {promised} bytes of data, it has {present}")
    return ArrayRows(stream, dtype, shape)


@lru_cache(maxsize=256)
def _parsed_header(first_version: bool, header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type; remembered, because NumPy compiles each and a folder's are much alike."""
    read = np.lib.format.read_array_header_1_0 if first_version else np.lib.format.read_array_header_2_0
    return read(BytesIO(header))
