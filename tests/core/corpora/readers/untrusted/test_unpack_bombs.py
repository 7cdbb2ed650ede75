"""Small archives that ask for much memory, time or many folders are refused before they get it."""

import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from core.corpora.readers.untrusted import tar_members, zip_files
from core.corpora.readers.untrusted.unpack import UnpackLimits, is_archive, unpack
from core.errors import CorpusError
from tests.memory import MIB, memory_within

pytestmark = pytest.mark.slow

LONG_NAMES = (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)


def header(kind: bytes, size: int, name: str = "x") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % tarfile.BLOCKSIZE)


def pax(records: list[str], kind: bytes = tarfile.XHDTYPE) -> bytes:
    content = b"".join(_pax_record(record.encode()) for record in records)
    return header(kind, len(content)) + padded(content)


def _pax_record(record: bytes) -> bytes:
    length = len(record) + 3
    while len(str(length)) + len(record) + 2 != length:
        length = len(str(length)) + len(record) + 2
    return f"{length} ".encode() + record + b"\n"


def write_gz(path: Path, *parts: bytes) -> Path:
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for part in (*parts, bytes(2 * tarfile.BLOCKSIZE)):
            stream.write(part)
    return path


def refused(archive: Path, tmp_path: Path, match: str, *, limits: UnpackLimits | None = None) -> None:
    with memory_within(48 * MIB), pytest.raises(CorpusError, match=match) as caught:
        _ = is_archive(archive) and unpack(archive, tmp_path / "out", limits=limits or UnpackLimits())  # type: ignore[func-returns-value]
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("kind", LONG_NAMES)
def test_a_long_header(tmp_path: Path, kind: bytes) -> None:
    big = 128 * MIB
    archive = write_gz(tmp_path / "upload", header(kind, big), bytes(big), header(tarfile.REGTYPE, 0))
    assert archive.stat().st_size < MIB
    refused(archive, tmp_path, "the header of a member has more than 262144 bytes")


def test_a_sparse_map_without_an_end(tmp_path: Path) -> None:
    start = bytearray(header(tarfile.GNUTYPE_SPARSE, 0))
    start[482] = 1  # more of the map follows
    start[148:156] = b" " * 8
    start[148:156] = f"{sum(start):06o}\0 ".encode()
    more = struct.pack("504sB7x", b"00000000001\0" * 42, 1)
    refused(write_gz(tmp_path / "upload", bytes(start), more * 40_000), tmp_path, "header of a member has")


def test_numbers_that_tarfile_would_search_for_hours(tmp_path: Path) -> None:
    archive = write_gz(tmp_path / "upload", header(tarfile.XHDTYPE, 200_000), padded(b"1" * 200_000))
    refused(archive, tmp_path, "a header has a number of more than 300 digits")


def test_attributes_of_all_members(tmp_path: Path) -> None:
    everywhere = [pax([f"a{n}={'x' * 200_000}"], tarfile.XGLTYPE) for n in range(300)]
    parts = [part for each in everywhere for part in (each, header(tarfile.DIRTYPE, 0))]
    refused(write_gz(tmp_path / "upload", *parts), tmp_path, "more than 100 attributes that apply to all")


def test_members_that_overlap(tmp_path: Path) -> None:
    """A negative size would send `tarfile` back to a member that it has read, for ever."""
    back = bytearray(header(tarfile.REGTYPE, 0, "again"))
    back[124:136] = b"\xff" * 10 + (-1024 & 0xFFFF).to_bytes(2, "big")
    back[148:156] = b" " * 8
    back[148:156] = f"{sum(back):06o}\0 ".encode()
    archive = write_gz(tmp_path / "upload", header(tarfile.DIRTYPE, 0) * 2, bytes(back))
    refused(archive, tmp_path, "its members overlap")


def test_an_xz_that_needs_much_memory(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2**30}]
    with lzma.open(tmp_path / "upload", "wb", filters=filters) as stream:
        stream.write(header(tarfile.REGTYPE, 0) + bytes(1024))
    assert not is_archive(tmp_path / "upload")
    with memory_within(48 * MIB), pytest.raises(CorpusError, match="Memory usage limit"):
        unpack(tmp_path / "upload", tmp_path / "out", limits=UnpackLimits())


def test_empty_members_of_gzip_are_read_piece_by_piece(tmp_path: Path) -> None:
    empty = gzip.compress(b"")
    (tmp_path / "upload").write_bytes(empty * 5_000 + gzip.compress(header(tarfile.DIRTYPE, 0) + bytes(1024)))
    beats = []
    unpack(tmp_path / "upload", tmp_path / "out", limits=UnpackLimits(), before_chunk=lambda: beats.append(1))
    assert len(beats) > 5_000


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_folders_in_folders(tmp_path: Path, kind: str) -> None:
    refused(archive_of(kind, tmp_path, ["a/" * 101 + "x"]), tmp_path, "in 101 folders, one in the other")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_folders_count_as_files(tmp_path: Path, kind: str) -> None:
    archive = archive_of(kind, tmp_path, [f"{n}/" + "a/" * 50 + "x" for n in range(5)])
    refused(archive, tmp_path, "more than 100 files and folders", limits=UnpackLimits(max_files=100))


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_many_members(tmp_path: Path, kind: str) -> None:
    archive = archive_of(kind, tmp_path, [f"{n}/" for n in range(15_000)])
    refused(archive, tmp_path, "more than 3000 files and folders", limits=UnpackLimits(max_files=3_000))


def archive_of(kind: str, tmp_path: Path, names: list[str]) -> Path:
    path = tmp_path / "upload"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"")
        return path
    kinds = [tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE for name in names]
    return write_gz(path, *(header(kind, 0, name) for kind, name in zip(kinds, names, strict=True)))


def test_a_large_directory_of_a_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_files, "MAX_DIRECTORY_BYTES", 10_000)
    archive = archive_of("zip", tmp_path, [f"{'x' * 200}{n}" for n in range(50)])
    with pytest.raises(CorpusError, match=r"has a directory of 1\d+ bytes; the limit is 10000 bytes"):
        is_archive(archive)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_whose_output_zipfile_does_not_bound(tmp_path: Path, method: int) -> None:
    """Four kilobytes of bzip2 are gigabytes of zeros, which `zipfile` unpacks at once."""
    with zipfile.ZipFile(tmp_path / "upload", "w", method) as archive:
        archive.writestr("a.npy", bytes(1000))
    with pytest.raises(CorpusError, match=r"'a.npy' is not compressed by deflate"):
        is_archive(tmp_path / "upload")


def test_what_is_no_tar(tmp_path: Path) -> None:
    for content in (b"", b"x" * 5000, gzip.compress(b"x" * 5000), gzip.compress(b"")[:-3], b"\x1f\x8bxx"):
        (tmp_path / "upload").write_bytes(content)
        assert not is_archive(tmp_path / "upload")


def test_a_header_as_long_as_allowed(tmp_path: Path) -> None:
    name = "/".join(["a" * 250] * 10)
    info = tarfile.TarInfo(name)
    info.size, info.pax_headers = 1, {"comment": "x" * (tar_members.MAX_HEADER_BYTES // 2)}
    with tarfile.open(tmp_path / "upload", "w:gz") as archive:
        archive.addfile(info, io.BytesIO(b"y"))
    unpack(tmp_path / "upload", tmp_path / "out", limits=UnpackLimits())
    assert (tmp_path / "out" / name).read_bytes() == b"y"
