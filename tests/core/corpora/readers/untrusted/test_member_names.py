"""Names of archive members as people's programs write them: read as what they are, or refused."""

import os
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

from core.corpora.readers.untrusted.encoding_guess import plausible_encodings
from core.corpora.readers.untrusted.npz import is_npz
from core.corpora.readers.untrusted.unpack import UnpackLimits, is_archive, unpack
from core.errors import CorpusError
from tests.core.corpora.readers.untrusted.test_unpack import make_tar, make_zip, member

WINDOWS, UNIX = 0, 3


class _Unflagged(zipfile.ZipInfo):
    """A member whose name is written as it is, without a statement of its encoding."""

    def __init__(self, raw: bytes, system: int) -> None:
        super().__init__(raw.decode("cp437"))
        self.create_system, self._raw = system, raw

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile's own name
        return self._raw, self.flag_bits


def unflagged_zip(path: Path, *names: bytes, system: int = WINDOWS, extra: bytes = b"") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            info = _Unflagged(name, system)
            info.extra = extra
            archive.writestr(info, b"x")
    return path


def unpacked(archive: Path, encoding: str | None = None) -> tuple[set[str], list[str]]:
    folder = archive.parent / "out"
    notes = unpack(archive, folder, limits=UnpackLimits(), encoding=encoding)
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}, notes


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        (["café", "Mädchen"], "cp437"),
        (["põe", "não"], "cp850"),
        (["été", "déçu", "Straße"], "cp1252"),
        (["姓名", "谢谢"], "gbk"),
        (["書", "謝謝", "你好嗎"], "big5"),
        (["ありがとう", "日本"], "shift_jis"),
        (["дом", "Мама"], "cp866"),
    ],
)
def test_the_encoding_of_words_is_guessed_and_noted(tmp_path: Path, words: list[str], encoding: str) -> None:
    archive = unflagged_zip(tmp_path / "a.zip", *(f"{word}/1.npz".encode(encoding) for word in words))
    names, (note,) = unpacked(archive)
    assert names == {f"{word}/1.npz" for word in words}
    assert f"read as {encoding}, for example '{words[0]}/1.npz'" in note


def test_words_of_two_encodings_are_refused_until_it_is_stated(tmp_path: Path) -> None:
    archive = unflagged_zip(tmp_path / "a.zip", "감사/1.npz".encode("cp949"))
    with pytest.raises(CorpusError, match=r"could be gbk \(.*cp949 \('감사/1.npz'\).*--archive-encoding"):
        unpacked(archive)
    assert unpacked(archive, "cp949") == ({"감사/1.npz"}, [])


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        (["güneş", "ağaç"], "cp1254"),
        (["güneş"], "cp857"),
        (["złoty"], "cp852"),
        (["שלום", "תודה"], "cp862"),
    ],
)
def test_words_that_would_be_others_in_western_europe_or_russia_are_not_guessed(
    tmp_path: Path, words: list[str], encoding: str
) -> None:
    archive = unflagged_zip(tmp_path / "a.zip", *(f"{word}/1.npz".encode(encoding) for word in words))
    with pytest.raises(CorpusError, match=rf"could be .*{encoding} .*--archive-encoding"):
        unpacked(archive)
    assert unpacked(archive, encoding)[0] == {f"{word}/1.npz" for word in words}


def test_words_of_no_known_encoding_are_refused(tmp_path: Path) -> None:
    archive = unflagged_zip(tmp_path / "a.zip", "καλη/1.npz".encode("cp737"))
    with pytest.raises(CorpusError, match=r"none of the usual ones\. Set archive_encoding"):
        unpacked(archive)


def test_utf8_of_unix_programs_is_utf8_whatever_else_it_may_be(tmp_path: Path) -> None:
    name = "café.npz".encode()
    assert plausible_encodings([name])[:2] == ["utf-8", "gbk"]
    assert unpacked(unflagged_zip(tmp_path / "a.zip", name, system=UNIX))[0] == {"café.npz"}


def test_the_extra_field_with_the_name_in_utf8_is_read(tmp_path: Path) -> None:
    raw, name = "감.npz".encode("cp949"), "감.npz".encode()
    extra = struct.pack("<HHBI", 0x7075, 5 + len(name), 1, zlib.crc32(raw)) + name
    assert unpacked(unflagged_zip(tmp_path / "a.zip", raw, extra=extra)) == ({"감.npz"}, [])


def test_a_stated_encoding_that_is_wrong_is_refused(tmp_path: Path) -> None:
    archive = unflagged_zip(tmp_path / "a.zip", "café.npz".encode("cp1252"))
    with pytest.raises(CorpusError, match=r"xe9.npz', whose name is not utf-8"):
        unpacked(archive, "utf-8")


def test_backslashes_of_windows_are_folders(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"set\\": b"", "set\\book\\a.npz": b"x", "set\\tree\\b.npz": b"y"})
    assert unpacked(archive) == ({"set/book/a.npz", "set/tree/b.npz"}, [])


def test_a_windows_archive_of_arrays_in_folders_is_no_npz(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"book\\0\\1.npy": b"x", "tree\\0\\1.npy": b"y"})
    assert is_archive(archive)
    assert not is_npz(archive)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["a/b", "./a/b", "a//b", "a\\b", "a/b/c", "a"])
def test_two_members_of_one_path_are_refused(tmp_path: Path, second: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a/b", "1")
        archive.writestr(second, "2")
    with pytest.raises(CorpusError, match=r"a.zip has the member '.*' twice, or as a file and as a folder"):
        unpacked(tmp_path / "a.zip")


def test_colons_and_backslashes_are_letters_in_a_tar(tmp_path: Path) -> None:
    names = ["10:32:05.npz", "a:b/1.npz", "c\\d.npz"]
    archive = make_tar(tmp_path / "a.tar", [member(name) for name in names])
    assert unpacked(archive) == (set(names), [])


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_in_a_tar_that_are_not_utf8_stay_apart(tmp_path: Path, form: int) -> None:
    with tarfile.open(tmp_path / "a.tar", "w", format=form) as archive:
        for name in (b"caf\xe9/1.npz", b"caf\xe8/1.npz", "姓/1.npz".encode()):
            archive.addfile(member(name.decode(errors="surrogateescape")))
    found, (note,) = unpacked(tmp_path / "a.tar")
    names = {os.fsencode(name) for name in found}
    assert names == {b"caf\xe9/1.npz", b"caf\xe8/1.npz", "姓/1.npz".encode()}
    assert note.startswith("2 names in the archive are not UTF-8, such as caf\\udce9/1.npz")


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_in_a_tar_are_in_the_stated_encoding(tmp_path: Path, form: int) -> None:
    with tarfile.open(tmp_path / "a.tar", "w", format=form) as archive:
        archive.addfile(member(b"caf\xe9/1.npz".decode(errors="surrogateescape")))
    assert unpacked(tmp_path / "a.tar", "cp1252") == ({"café/1.npz"}, [])
