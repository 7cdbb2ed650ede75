"""Read untrusted tar files member by member, plain or compressed by gzip, bzip2 or xz.

`tarfile` reads a header of any size into memory and keeps all members. So it gets the file through a stream
that only moves forwards, bounds each header, and can be stopped at each chunk.
"""

import bz2
import lzma
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from core.source_files import open_source

MAX_HEADER_BYTES = 2**18
"""Maximum bytes of a member's headers: its name and attributes."""
MAX_GLOBAL_ATTRIBUTES = 100
"""Maximum attributes that apply to all members."""
MAX_DIGITS = 300
"""Maximum length of a number in a header. `tarfile` searches a header in time quadratic in it."""

_RAW_CHUNK_BYTES = 2**14
_UNPACKED_CHUNK_BYTES = 2**18
_UNPACKER_BYTES = 2**28
"""Maximum memory to unpack xz; `xz -9` needs 65 MiB."""
_MAX_BYTES_TO_DETECT = 2**20
"""Bytes of a compressed file in which its first member must begin."""
_GZIP_AND_HEADER = 31
_DIGITS = re.compile(rb"\d+")
_UNPACKERS: tuple[tuple[bytes, Callable[[], Any]], ...] = (
    (b"\x1f\x8b", lambda: zlib.decompressobj(_GZIP_AND_HEADER)),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", lambda: lzma.LZMADecompressor(memlimit=_UNPACKER_BYTES)),
    (b"]\x00\x00", lambda: lzma.LZMADecompressor(memlimit=_UNPACKER_BYTES)),
)
"""First bytes of a compressed file, and what unpacks it."""

Beat = Callable[[], None]


def is_tar(path: Path) -> bool:
    """Whether a file starts like a tar file, compressed or not.

    Raises:
        OSError: it cannot be read.
    """
    with open_source(path) as stream:
        chunks = _unpacked(stream, lambda: None, max_bytes=_MAX_BYTES_TO_DETECT)
        try:
            block = next(chunks, b"")[: tarfile.BLOCKSIZE]
            tarfile.TarInfo.frombuf(block, tarfile.ENCODING, "surrogateescape")
        except tarfile.HeaderError:
            return bool(block) and not any(block)  # without members
        except (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError):
            return False
    return True


def tar_members(
    path: Path, before_chunk: Beat, count_bytes: Callable[[int], None]
) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Yield each member and, of a regular file, its content, which must be read before the next one.

    `before_chunk` is called before each chunk that is read, and `count_bytes` with the size of headers.

    Raises:
        TarError: damaged, or a header above the limits.
        EOFError, OSError, zlib.error, lzma.LZMAError: damaged, or it cannot be read.
    """
    with open_source(path) as stream:
        blocks = _Blocks(_unpacked(stream, before_chunk), count_bytes)
        archive = tarfile.TarFile(fileobj=blocks, encoding="utf-8")  # type: ignore[arg-type]  # all it uses
        while True:
            with blocks.reading_header():
                member = archive.next()
            archive.members.clear()  # type: ignore[attr-defined]  # or it keeps all
            if member is None:
                blocks.check_end()
                return
            if len(archive.pax_headers) > MAX_GLOBAL_ATTRIBUTES:
                raise tarfile.ReadError(
                    f"it has more than {MAX_GLOBAL_ATTRIBUTES} attributes that apply to all members"
                )
            yield member, archive.extractfile(member) if member.isreg() else None


class _Blocks:
    """The unpacked bytes of a tar file, read forwards."""

    def __init__(self, chunks: Iterator[bytes], count_bytes: Callable[[int], None]) -> None:
        self._chunks, self._count_bytes = chunks, count_bytes
        self._waiting, self._taken = b"", 0
        self._offset = 0
        self._header_left: int | None = MAX_HEADER_BYTES
        self._last = b""

    @contextmanager
    def reading_header(self) -> Iterator[None]:
        """Bound what is read within this context."""
        self._header_left = MAX_HEADER_BYTES
        yield
        self._header_left = None

    def tell(self) -> int:
        return self._offset

    def seek(self, offset: int) -> None:
        if offset < self._offset:
            raise tarfile.ReadError("its members overlap")
        while self._offset < offset and (skipped := len(self._next(offset - self._offset))):
            self._count_bytes(skipped)

    def read(self, num_bytes: int) -> bytes:
        if self._header_left is not None:
            self._header_left -= num_bytes
            if self._header_left < 0:
                raise tarfile.ReadError(f"the header of a member has more than {MAX_HEADER_BYTES} bytes")
        pieces, left = [], num_bytes
        while left and (piece := self._next(left)):
            pieces.append(piece)
            left -= len(piece)
        content = b"".join(pieces)
        if self._header_left is not None:
            self._check_header(content)
        return content

    def check_end(self) -> None:
        """Check that a block of zeros is last, because `tarfile` takes a damaged header for the end."""
        if self._last != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it is truncated, or a header is damaged")

    def _check_header(self, content: bytes) -> None:
        self._count_bytes(len(content))
        self._last = content
        if len(content) > tarfile.BLOCKSIZE and any(
            len(run) > MAX_DIGITS for run in _DIGITS.findall(content)
        ):
            raise tarfile.ReadError(f"a header has a number of more than {MAX_DIGITS} digits")

    def _next(self, num_bytes: int) -> bytes:
        """Return the next bytes, at most `num_bytes`; none at the end."""
        while self._taken == len(self._waiting):
            if not (waiting := next(self._chunks, b"")):
                return b""
            self._waiting, self._taken = waiting, 0
        piece = self._waiting[self._taken : self._taken + num_bytes]
        self._taken += len(piece)
        self._offset += len(piece)
        return piece


def _unpacked(stream: IO[bytes], beat: Beat, *, max_bytes: int | None = None) -> Iterator[bytes]:
    """Yield the unpacked content in chunks of bounded size, of at most `max_bytes` of the file."""
    chunks = _raw_chunks(stream, beat, max_bytes)
    first = next(chunks, b"")
    unpacker = next((make for magic, make in _UNPACKERS if first.startswith(magic)), None)
    if unpacker is None:
        yield first
        yield from chunks
    else:
        yield from _decompressed(first, chunks, unpacker, beat)


def _raw_chunks(stream: IO[bytes], beat: Beat, max_bytes: int | None) -> Iterator[bytes]:
    num_bytes = 0
    while (max_bytes is None or num_bytes < max_bytes) and (chunk := stream.read(_RAW_CHUNK_BYTES)):
        beat()
        num_bytes += len(chunk)
        yield chunk


def _decompressed(
    data: bytes, chunks: Iterator[bytes], make: Callable[[], Any], beat: Beat
) -> Iterator[bytes]:
    """Decompress streams that follow each other; zeros between them are padding."""
    unpacker = make()
    while True:
        beat()
        content = unpacker.decompress(data, _UNPACKED_CHUNK_BYTES)
        if content:
            yield content
        if unpacker.eof:
            data = unpacker.unused_data.lstrip(b"\0")
            while not data:
                if not (chunk := next(chunks, b"")):
                    return
                data = chunk.lstrip(b"\0")
            unpacker = make()
            continue
        data = getattr(unpacker, "unconsumed_tail", b"")
        if not data and len(content) < _UNPACKED_CHUNK_BYTES and not (data := next(chunks, b"")):
            raise EOFError("it ends before the end of its compressed data")
