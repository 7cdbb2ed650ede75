"""Open untrusted zip files: bounds the directory before it is read, and checks the kind of compression."""

import io
import zipfile
from pathlib import Path

from core.errors import CorpusError
from core.source_files import open_source, open_source_raw

MAX_MEMBERS = 1_000_000
"""Maximum number of members; one takes about 800 bytes of memory."""
MAX_DIRECTORY_BYTES = 2**28
"""Maximum size of the directory; half of it may be names of `MAX_MEMBERS` files."""

_SHOWN = 60
_BEGINNINGS = (b"PK\x03\x04", b"PK\x05\x06")
"""First bytes of a zip file with members, and of one without."""
_ENTRY = b"PK\x01\x02"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Compression whose output `zipfile` takes in pieces of bounded size."""


def is_zip(path: Path) -> bool:
    """Whether a file begins and ends like a zip file; not if it cannot be read.

    Its end alone does not tell: a plain tar file ends with the bytes of its last member.
    """
    try:
        with open_source(path) as stream:
            return stream.read(len(_BEGINNINGS[0])) in _BEGINNINGS and zipfile.is_zipfile(stream)
    except OSError:
        return False


class UntrustedZip(zipfile.ZipFile):
    """A zip file whose directory has a bounded size. Use it like `zipfile.ZipFile`, to read.

    Raises:
        CorpusError: above the limits, or compressed by another method than deflate.
        BadZipFile, OSError: damaged, or it cannot be read.
    """

    def __init__(self, path: Path, *, max_members: int = MAX_MEMBERS) -> None:
        self._directory = _Directory(path, max_members)
        try:
            super().__init__(self._directory)
            self._check_beginning()
            self._check_methods(path)
        except BaseException:
            self._directory.close()
            raise
        self._directory.is_read = True

    def close(self) -> None:
        """Close the file."""
        super().close()
        self._directory.close()

    def _check_beginning(self) -> None:
        self._directory.seek(0)
        if self._directory.read(len(_BEGINNINGS[0])) not in _BEGINNINGS:
            raise zipfile.BadZipFile("it ends like a zip file, but does not begin like one")

    def _check_methods(self, path: Path) -> None:
        for member in self.infolist():
            if member.compress_type not in _METHODS:
                raise CorpusError(
                    f"{path}: its member {member.filename[:_SHOWN]!r} is not compressed by deflate, the "
                    "only method that is supported. Write the zip file with deflate."
                )


class _Directory(io.BufferedReader):
    """A file that rejects a read of a directory above the limits; `zipfile` reads the whole in one piece."""

    def __init__(self, path: Path, max_members: int) -> None:
        super().__init__(open_source_raw(path))
        self.is_read = False
        self._path, self._max_members = path, max_members

    def read(self, size: int | None = -1, /) -> bytes:
        if self.is_read:
            return super().read(size)
        if size is not None and size > MAX_DIRECTORY_BYTES:
            raise CorpusError(
                f"{self._path} has a directory of {size} bytes; the limit is {MAX_DIRECTORY_BYTES} bytes. "
                "Split it up."
            )
        content = super().read(size)
        if content.count(_ENTRY) > self._max_members:
            raise CorpusError(
                f"{self._path} has more than {self._max_members} files and folders. Split it up."
            )
        return content
