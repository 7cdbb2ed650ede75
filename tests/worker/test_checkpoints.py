"""Which checkpoint folders are whole, which to go on from, and which may go."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.errors import CheckpointError
from core.jobs.artifacts import ArtifactStore
from core.jobs.tables import CheckpointRow
from worker.checkpoints import choose, outdated, size_of, unrecorded, vanished, verify


def save(store: ArtifactStore, step: int, *, attempt: int = 1) -> CheckpointRow:
    """A whole checkpoint folder with two files, and its row."""
    folder = store.attempt_folder("job_1", attempt) / "checkpoints" / f"step_{step:08d}"
    folder.mkdir(parents=True)
    contents = {"weights": b"w" * step, "queues": b"q"}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    files = {n: {"bytes": len(c), "sha256": hashlib.sha256(c).hexdigest()} for n, c in contents.items()}
    (folder / "manifest.json").write_text(json.dumps({"step": step, "files": files}))
    return CheckpointRow(
        id=f"ckp_{attempt}_{step}",
        job_id="job_1",
        attempt=attempt,
        step=step,
        location=store.location_of(folder),
        manifest={},
        size_bytes=0,
        created_at=datetime.now(UTC),
    )


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path)


def test_a_whole_checkpoint_is_verified(store: ArtifactStore) -> None:
    manifest = verify(store.local_path(save(store, 7).location))
    assert manifest["step"] == 7
    assert size_of(manifest) == 8


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "no manifest", "half a manifest", "list"])
def test_damage_is_noticed(store: ArtifactStore, damage: str) -> None:
    folder = store.local_path(save(store, 7).location)
    weights, manifest = folder / "weights", folder / "manifest.json"
    if damage == "flip":
        weights.write_bytes(b"W" + weights.read_bytes()[1:])
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-1])
    elif damage == "remove":
        weights.unlink()
    elif damage == "no manifest":
        manifest.unlink()
    elif damage == "half a manifest":
        manifest.write_text(manifest.read_text()[:-9])
    else:
        manifest.write_text("[]")
    with pytest.raises(CheckpointError):
        verify(folder)


def test_the_newest_whole_one_is_chosen_and_the_others_are_explained(store: ArtifactStore) -> None:
    rows = [save(store, step) for step in (30, 20, 10)]
    assert choose(rows, store).row is rows[0]
    (store.local_path(rows[0].location) / "weights").write_bytes(b"")
    resume = choose(rows, store)
    assert resume.row is rows[1]
    assert "step 30" in resume.remarks[0]
    assert "step 20" in resume.remarks[-1]


def test_without_a_whole_one_it_starts_from_the_beginning_and_says_so(store: ArtifactStore) -> None:
    assert choose([], store) == (None, ())
    row = save(store, 10)
    (store.local_path(row.location) / "queues").unlink()
    resume = choose([row], store)
    assert resume.row is None
    assert "from the beginning" in resume.remarks[-1]


def test_rows_without_a_folder_are_found(store: ArtifactStore) -> None:
    rows = [save(store, 20), save(store, 10)]
    for file in store.local_path(rows[1].location).iterdir():
        file.unlink()
    store.local_path(rows[1].location).rmdir()
    assert vanished(rows, store) == [rows[1]]


def test_earlier_attempts_are_kept_until_there_are_two_newer_checkpoints(store: ArtifactStore) -> None:
    first = [save(store, 10), save(store, 5)]
    second = [save(store, 15, attempt=2)]
    assert outdated([*second, *first], attempt=2) == []
    second.insert(0, save(store, 20, attempt=2))
    assert outdated([*second, *first], attempt=2) == first
    ahead = save(store, 99)  # of an earlier attempt, and further than this one has come
    assert ahead not in outdated([ahead, *second, *first], attempt=2)


def test_whole_folders_without_a_row_are_found(store: ArtifactStore) -> None:
    known, lost, broken = save(store, 1), save(store, 2), save(store, 3, attempt=2)
    (store.local_path(broken.location) / "weights").write_bytes(b"")
    found = unrecorded(store.job_folder("job_1"), {known.location}, store)
    assert [(store.location_of(folder), manifest["step"]) for folder, manifest in found] == [
        (lost.location, 2)
    ]
