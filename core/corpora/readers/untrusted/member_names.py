"""Decode the names of archive members, which may be in the encoding of the computer that made the archive.

A zip file states by a flag that a name is UTF-8, or repeats it in UTF-8 in an extra field. The encoding of
its other names is given by the user, or guessed from all of them. A tar file is read member by member, so
nothing is guessed: names that are not UTF-8 keep their bytes.
"""

import re
import struct
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipInfo

from core.corpora.readers.untrusted.encoding_guess import plausible_encodings
from core.corpora.readers.untrusted.naming import shortened
from core.errors import CorpusError

AS_READ = "cp437"
"""How `zipfile` decodes the names that it takes not to be UTF-8. Every byte is a letter, so none is lost."""

_IS_UTF8 = 0x800
_UNIX = 3
"""The system of Linux and macOS, whose programs write UTF-8 and often do not set the flag."""
_UNICODE_PATH = 0x7075
_OPTION = "archive_encoding (--archive-encoding)"


def zip_names(path: Path, members: Sequence[ZipInfo], encoding: str | None) -> tuple[list[str], list[str]]:
    """Return the members' names, and notes on what was assumed.

    Raises:
        CorpusError: names are not in the given `encoding`; or none is given, and none or several may be it.
    """
    names = [_stated_name(member) for member in members]
    raw = [
        member.orig_filename.encode(AS_READ) for member, name in zip(members, names, strict=True) if not name
    ]
    encoded = [name for name in raw if not name.isascii()]
    notes = []
    if encoded and encoding is None:
        encoding = _guess(path, encoded, on_unix=all(member.create_system == _UNIX for member in members))
        notes.append(
            f"The archive does not state the encoding of {len(encoded)} of its file names. They were read as "
            f"{encoding}, for example {shortened(encoded[0].decode(encoding))!r}. If that is wrong, set "
            f"{_OPTION}."
        )
    decoded = iter(_decoded(path, name, encoding or AS_READ) for name in raw)
    return [name or next(decoded) for name in names], notes


def tar_name(path: Path, member: tarfile.TarInfo, encoding: str | None) -> str:
    """Return the member's name; bytes of it that are not UTF-8 are surrogates if no `encoding` is given.

    Raises:
        CorpusError: the name is not in the given `encoding`.
    """
    if encoding is None or ("path" in member.pax_headers and is_utf8(member.name)):
        return member.name
    return _decoded(path, member.name.encode(errors="surrogateescape"), encoding)


def is_utf8(name: str) -> bool:
    """Whether all bytes of a file name are UTF-8."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _stated_name(member: ZipInfo) -> str:
    """Return the name that is stated to be UTF-8; empty if there is none."""
    if member.flag_bits & _IS_UTF8:
        return member.orig_filename
    raw, extra = member.orig_filename.encode(AS_READ), member.extra
    while len(extra) > 4:
        kind, length = struct.unpack_from("<HH", extra)
        content, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == _UNICODE_PATH and content[:5] == b"\1" + struct.pack("<I", zlib.crc32(raw)):
            return content[5:].decode()
    return ""


def _decoded(path: Path, raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        raise CorpusError(
            f"{path} has the member {shortened(raw.decode(errors='backslashreplace'))!r}, whose name is not "
            f"{encoding}. Set {_OPTION} to the encoding of the computer that made it."
        ) from None


def _guess(path: Path, encoded: Sequence[bytes], *, on_unix: bool) -> str:
    """Return the only plausible encoding, or UTF-8 if programs of Unix may have written it."""
    found = plausible_encodings(encoded)
    if len(found) == 1 or (on_unix and "utf-8" in found):
        return found[0]
    shown = max(encoded, key=lambda name: len(re.findall(rb"[\x80-\xff]", name)))
    could_be = " or ".join(f"{encoding} ({shortened(shown.decode(encoding))!r})" for encoding in found)
    raise CorpusError(
        f"{path} does not state the encoding of its file names, such as "
        f"{shortened(shown.decode(errors='backslashreplace'))!r}. "
        + (f"It could be {could_be}. " if could_be else "It is none of the usual ones. ")
        + f"Set {_OPTION}, or make the archive with UTF-8 names."
    )
