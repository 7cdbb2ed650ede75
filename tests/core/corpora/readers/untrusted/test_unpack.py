"""Unpacking archives, the honest and the hostile."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from core.corpora.readers.untrusted.unpack import UnpackLimits, is_archive, unpack
from core.errors import CorpusError, Stopped

PLAIN = UnpackLimits()
FILES = {"tea/0/0.npy": b"one", "tea/0/1.npy": b"two" * 10_000, "coffee/0/0.npy": b""}


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def make_tar(path: Path, members: list[tarfile.TarInfo], mode: str = "w", content: bytes = b"x") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for member in members:
            member.size = len(content) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def unpacked(archive: Path, tmp_path: Path, limits: UnpackLimits = PLAIN) -> dict[str, bytes]:
    folder = tmp_path / "out"
    folder.mkdir()
    unpack(archive, folder, limits=limits)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_zip(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "upload", {**FILES, "empty folder/": b""})
    assert is_archive(archive)
    assert unpacked(archive, tmp_path) == FILES


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar(tmp_path: Path, mode: str) -> None:
    members = [member("./tea", tarfile.DIRTYPE), member("./tea/0.npy"), member("long/" * 60 + "1.npy")]
    archive = make_tar(tmp_path / "upload", members, mode)
    assert is_archive(archive)
    assert unpacked(archive, tmp_path) == {"tea/0.npy": b"x", "long/" * 60 + "1.npy": b"x"}


def test_npz_and_other_files_are_no_archives(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", keypoints=[1])
    (tmp_path / "b.txt").write_text("x")
    assert not any(is_archive(path) for path in [tmp_path / "a.npz", tmp_path / "b.txt", tmp_path])


def test_a_tar_of_zip_files_is_a_tar(tmp_path: Path) -> None:
    last = io.BytesIO()
    np.savez(last, keypoints=np.zeros(3))
    archive = make_tar(
        tmp_path / "upload", [member("tea/0.npz"), member("tea/1.npz")], content=last.getvalue()
    )
    assert is_archive(archive)
    assert unpacked(archive, tmp_path) == dict.fromkeys(("tea/0.npz", "tea/1.npz"), last.getvalue())


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "a/../../evil",
        "..\\evil",
        "a\\..\\evil",
        "/etc/evil",
        "\\etc\\evil",
        "C:/evil",
        "C:\\evil",
        ".",
    ],
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / "upload"
    archive = make_zip(path, {name: b"x"}) if kind == "zip" else make_tar(path, [member(name)])
    with pytest.raises(CorpusError, match="may lead outside of the folder"):
        unpacked(archive, tmp_path)
    assert {found.name for found in tmp_path.rglob("*")} == {"upload", "out"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    archive = make_tar(tmp_path / "upload", [member("link", kind, "/etc/passwd")])
    with pytest.raises(CorpusError, match="'link', a link or device"):
        unpacked(archive, tmp_path)


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "upload", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(CorpusError, match="'link', a link or device"):
        unpacked(tmp_path / "upload", tmp_path)


def test_a_bomb_is_stopped_at_the_limit(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "upload", {"big": bytes(50 * 2**20)})
    assert archive.stat().st_size < 100_000
    with pytest.raises(CorpusError, match="has more than 5000000 bytes when unpacked"):
        unpacked(archive, tmp_path, UnpackLimits(max_bytes=5_000_000))
    assert (tmp_path / "out" / "big").stat().st_size <= 5_000_000


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "upload", {f"{n}/": b"" for n in range(20)})
    with pytest.raises(CorpusError, match="more than 10 files"):
        unpacked(archive, tmp_path, UnpackLimits(max_files=10))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "upload", "w") as archive:
        archive.writestr("a", "1")
        archive.writestr("a", "2")
    with pytest.raises(CorpusError, match="upload has the member 'a' twice"):
        unpacked(tmp_path / "upload", tmp_path)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.7])
def test_a_tar_cut_short_is_refused(tmp_path: Path, mode: str, share: float) -> None:
    noise = np.random.default_rng(0).bytes(3000)
    archive = make_tar(tmp_path / "upload", [member(f"{n}.npy") for n in range(9)], mode, noise)
    content = archive.read_bytes()
    archive.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CorpusError, match=r"upload is damaged|Cannot read .*upload"):
        unpacked(archive, tmp_path)


def test_a_tar_broken_in_the_middle_is_not_half_read(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "upload", [member(f"{n}.npy") for n in range(9)])
    content = bytearray(archive.read_bytes())
    content[4 * 1024 + 100] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(CorpusError, match="truncated, or a header is damaged"):
        unpacked(archive, tmp_path)


def test_a_zip_with_a_changed_byte_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "upload", {"a.npy": np.random.default_rng(0).bytes(5000)})
    content = bytearray(archive.read_bytes())
    content[2000] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(CorpusError, match=r"upload is damaged: .*CRC"):
        unpacked(archive, tmp_path)


def test_it_can_be_stopped_between_chunks(tmp_path: Path) -> None:
    calls = []

    def stop_at_fourth() -> None:
        calls.append(1)
        if len(calls) == 4:  # the member, and three chunks
            raise Stopped("enough")

    archive = make_zip(tmp_path / "upload", {"big": bytes(50 * 2**20)})
    (tmp_path / "out").mkdir()
    with pytest.raises(Stopped):
        unpack(archive, tmp_path / "out", limits=PLAIN, before_chunk=stop_at_fourth)
    assert (tmp_path / "out" / "big").stat().st_size == 2 * 2**20


def test_a_member_without_a_name_is_refused(tmp_path: Path) -> None:
    content = bytearray(make_zip(tmp_path / "upload", {"a": b"x"}).read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 28 : entry + 30] = bytes(2)  # the length of its name
    content[entry + 32 : entry + 34] = b"\x01\0"  # that of its comment
    (tmp_path / "upload").write_bytes(content)
    with pytest.raises(CorpusError, match=r"has the member '', whose path|is damaged"):
        unpacked(tmp_path / "upload", tmp_path)
