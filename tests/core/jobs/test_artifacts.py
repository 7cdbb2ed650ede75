"""The artifact folder: whole files or none, inside the folder or not at all."""

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import StorageError, TooLarge
from core.jobs.artifacts import ArtifactStore


@settings(deadline=None, max_examples=25)
@given(chunks=st.lists(st.binary(max_size=50), max_size=6), filename=st.text(max_size=200))
def test_what_arrives_is_what_was_sent(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], filename: str
) -> None:
    store = ArtifactStore(tmp_path_factory.mktemp("artifacts"))
    received = store.receive(chunks, 1_000, filename=filename)
    content = b"".join(chunks)
    assert received.path.read_bytes() == content
    assert received.size_bytes == len(content)
    assert received.sha256 == hashlib.sha256(content).hexdigest()
    assert received.path.is_relative_to(store.folder / "uploads")
    assert store.local_path(store.location_of(received.path)) == received.path


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a b.zip", "a_b.zip"),
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\clips.npz", "clips.npz"),
        ("..", "upload"),
        ("", "upload"),
        ("x" * 400 + ".npz", "x" * 146 + ".npz"),
    ],
)
def test_a_strangers_file_name_keeps_its_suffix_and_nothing_harmful(
    tmp_path: Path, sent: str, kept: str
) -> None:
    assert ArtifactStore(tmp_path).receive([b"x"], 10, filename=sent).path.name == kept


def test_too_much_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match=r"10 bytes.*SIGNFORGE_MAX_UPLOAD_BYTES"):
        ArtifactStore(tmp_path).receive([b"12345", b"123456"], 10)
    assert list((tmp_path / "uploads").iterdir()) == []


def test_an_upload_that_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"123"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        ArtifactStore(tmp_path).receive(broken(), 10)
    assert list((tmp_path / "uploads").iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        """What the kernel really answers on a full device."""
        with Path("/dev/full").open("wb", buffering=0) as file:
            file.write(b"x")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="full"):
        ArtifactStore(tmp_path).receive([b"123"], 10)
    assert list((tmp_path / "uploads").iterdir()) == []


@pytest.mark.parametrize("location", ["../outside", "/etc/passwd", "a/../../b", ""])
def test_a_location_stays_inside(tmp_path: Path, location: str) -> None:
    store = ArtifactStore(tmp_path / "artifacts")
    if location:
        with pytest.raises(StorageError, match="outside"):
            store.local_path(location)
    else:
        assert store.local_path(location) == store.folder


def test_adopting_moves_a_folder_and_replaces_an_orphan(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    source, target = tmp_path / "new", store.encoder_folder("enc_1")
    (target / "orphan").mkdir(parents=True)
    source.mkdir()
    (source / "card.json").write_text("{}")
    store.adopt(source, target)
    assert [path.name for path in target.iterdir()] == ["card.json"]
    assert not source.exists()


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    ArtifactStore(tmp_path / "new" / "folder").check_writable()
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=os.strerror(errno.ENOTDIR)):
        ArtifactStore(tmp_path / "file" / "folder").check_writable()
