"""Both artifact stores: complete files or none, and no access outside the store."""

import errno
import hashlib
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import ArtifactError, CheckpointError, StorageError, TooLarge
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.storage.clearing import Freed
from core.jobs.storage.folder_store import FolderStore
from core.jobs.storage.manifests import FileDigest
from tests.core.jobs.kept import content_of, make_checkpoint, open_again


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=st.lists(st.binary(max_size=50), max_size=6), filename=st.text(max_size=200))
def test_what_arrives_is_what_was_sent(store: ArtifactStore, chunks: list[bytes], filename: str) -> None:
    received = store.receive(chunks, 1_000, filename=filename)
    content = b"".join(chunks)
    assert content_of(store, received.location) == content
    assert received.size_bytes == len(content) == store.size_of(received.location)
    assert received.sha256 == hashlib.sha256(content).hexdigest()
    assert store.local_path(received.location).is_relative_to(store.folder / "uploads")
    fetched = store.fetch_file(received.location, FileDigest(received.size_bytes, received.sha256))
    assert fetched.read_bytes() == content


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
    assert FolderStore(tmp_path).receive([b"x"], 10, filename=sent).location.split("/")[2:] == [kept]


def test_too_much_leaves_nothing_behind(store: ArtifactStore) -> None:
    with pytest.raises(TooLarge, match=r"10 bytes.*SIGNFORGE_MAX_UPLOAD_BYTES"):
        store.receive([b"12345", b"123456"], 10)
    assert list((store.folder / "uploads").iterdir()) == []


def test_an_upload_that_breaks_off_leaves_nothing_behind(store: ArtifactStore) -> None:
    def broken() -> Iterator[bytes]:
        yield b"123"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        store.receive(broken(), 10)
    assert list((store.folder / "uploads").iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        """What the kernel really answers on a full device."""
        with Path("/dev/full").open("wb", buffering=0) as file:
            file.write(b"x")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="full"):
        FolderStore(tmp_path).receive([b"123"], 10)
    assert list((tmp_path / "uploads").iterdir()) == []


@pytest.mark.parametrize("location", ["../outside", "/etc/passwd", "a/../../b", ""])
def test_a_location_stays_inside(tmp_path: Path, location: str) -> None:
    store = FolderStore(tmp_path / "artifacts")
    if location:
        with pytest.raises(StorageError, match="outside"):
            store.local_path(location)
    else:
        assert store.local_path(location) == store.folder


def test_a_commit_moves_a_folder_and_replaces_an_orphan(store: ArtifactStore, tmp_path: Path) -> None:
    source, target = tmp_path / "new", store.encoder_folder("enc_1")
    (target / "orphan").mkdir(parents=True)
    weights = random.Random(1).randbytes(3_000)
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "weights").write_bytes(weights)
    (source / "card.json").write_text("{}")
    store.commit(source, "encoders/enc_1")
    assert [path.name for path in sorted(target.iterdir())] == ["card.json", "deep"]
    assert not source.exists()
    assert content_of(store, "encoders/enc_1/deep/weights") == weights
    assert b"".join(store.read("encoders/enc_1/deep/weights", 7, 2_000)) == weights[7:2_000]
    elsewhere = open_again(store, tmp_path / "elsewhere")
    fetched = elsewhere.fetch_folder("encoders/enc_1")
    assert (fetched / "deep" / "weights").read_bytes() == weights
    assert (fetched / "card.json").read_text() == "{}"


def test_what_was_deleted_is_gone(store: ArtifactStore, tmp_path: Path) -> None:
    gone, kept = (store.receive([b"abc"], 10) for _ in range(2))
    folder = gone.location.rpartition("/")[0]
    for _ in range(2):
        store.delete(folder)
    promised = FileDigest(gone.size_bytes, gone.sha256)
    with pytest.raises(ArtifactError, match=gone.location):
        store.fetch_file(gone.location, promised)
    with pytest.raises(ArtifactError):
        store.fetch_folder(folder)
    with pytest.raises(ArtifactError):
        store.size_of(gone.location)
    assert content_of(store, kept.location) == b"abc"


@pytest.mark.parametrize("location", ["uploads", "uploads/", ".", "", "uploads/..", "../uploads/x"])
def test_more_than_one_artifact_is_never_deleted(store: ArtifactStore, location: str) -> None:
    kept = store.receive([b"abc"], 10)
    for remove in (store.delete, store.clear):
        with pytest.raises(StorageError):
            remove(location)
    assert content_of(store, kept.location) == b"abc"


def test_all_but_what_is_kept_is_cleared(store: ArtifactStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("")
    made = {step: make_checkpoint(store, step) for step in (1, 10, 100)}
    for folder in made.values():
        store.commit_checkpoint(folder).result(20)
    (made[1].parent / "link").symlink_to(outside)
    kept = store.location_of(made[10])
    freed = store.clear("jobs/job_1", keep=[kept])
    assert freed.num_files >= 7, "three of each checkpoint, and the link"
    assert freed.num_bytes > 102
    assert freed.troubles == ()
    assert store.checkpoints_of("job_1") == [kept]
    assert store.checkpoint_manifest(kept)["step"] == 10
    assert list(made[1].parent.iterdir()) == [made[10]]
    assert (outside / "precious").exists(), "a link is removed, not what it leads to"
    assert store.clear("jobs/job_1", keep=[kept]) == Freed()
    assert store.clear("jobs/job_none") == Freed()


def test_entries_are_as_young_as_what_was_put_into_them_last(store: ArtifactStore, tmp_path: Path) -> None:
    source = tmp_path / "new"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "weights").write_bytes(b"w")
    for path in (source / "deep" / "weights", source / "deep", source):
        os.utime(path, (0, 0))
    began = time.time()
    store.commit(source, "encoders/enc_1")
    (entry,) = store.entries("encoders")
    assert entry.location == "encoders/enc_1"
    assert began - 2 < entry.changed_at.timestamp() < time.time() + 2, "not as old as the file it came from"
    assert store.entries("corpora") == []
    assert [e.location for e in open_again(store, tmp_path / "artifacts").entries("encoders")] == [
        "encoders/enc_1"
    ]


def test_checkpoints_are_found_by_whoever_has_the_store(store: ArtifactStore, tmp_path: Path) -> None:
    made = [make_checkpoint(store, step) for step in (5, 10)] + [make_checkpoint(store, 15, attempt=2)]
    other = make_checkpoint(store, 5, job_id="job_10")
    for folder in (*made, other):
        store.commit_checkpoint(folder).result(20)
        assert folder.is_dir()
        assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []
    elsewhere = open_again(store, tmp_path / "elsewhere")
    locations = [store.location_of(folder) for folder in made]
    assert elsewhere.checkpoints_of("job_1") == locations
    assert [elsewhere.checkpoint_manifest(location)["step"] for location in locations] == [5, 10, 15]
    elsewhere.delete_later(locations[:2]).result(20)
    assert elsewhere.checkpoints_of("job_1") == locations[2:]
    with pytest.raises(CheckpointError):
        elsewhere.checkpoint_manifest(locations[0])


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    FolderStore(tmp_path / "new" / "folder").check_writable()
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=os.strerror(errno.ENOTDIR)):
        FolderStore(tmp_path / "file" / "folder").check_writable()
