"""WebDataset's samples: poses with JSON beside them, in one shard, in a folder of shards, and unpacked."""

import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.importing import import_corpus
from core.corpora.packed import PackedCorpus
from core.corpora.readers.untrusted.unpack import UnpackLimits
from core.errors import CorpusError
from core.pose.normalise import PROFILES, normalise
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from signforge.encoder import read_named_clips
from tests.core.corpora.readers import written
from tests.core.corpora.readers.benchmarks.conftest import facts
from tests.core.corpora.readers.conftest import coco_keypoints, read
from tests.core.corpora.readers.formats.test_dwpose import people

FACTS: Mapping[str, Any] = {
    "v1": {"gloss": "BOOK", "signer": "S1", "split": "train"},
    "v2": {"glosses": ["TO", "DRINK"], "signer": {"name": "S2", "id": 4}, "split": "dev"},
    "v3": {"transcripts": [{"text": "tea", "language": "en"}], "signer": 3},
}


def expected(number: int) -> np.ndarray:
    points: np.ndarray = normalise(
        coco_keypoints(6, number), width=640, height=480, profile=PROFILES["wlasl"]
    ).clip.points
    return points


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, (key, facts_of) in enumerate(FACTS.items()):
        written.write_pose(tmp_path / f"data/{key}.pose-mediapipe.pose", coco_keypoints(6, number))
        written.write_json(tmp_path / f"data/{key}.json", {"filename": f"{key}.mp4", **facts_of})
        (tmp_path / f"data/{key}.mp4").write_text("a video")
    return tmp_path / "data"


def shard(folder: Path, path: Path, *keys: str) -> Path:
    """A tar file of some samples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            if file.name.split(".")[0] in keys:
                archive.add(file, file.name)
    return path


def imported(source: Path, out: Path, **more: Any) -> PackedCorpus:
    out.mkdir()
    import_corpus(ImportSpec(source=str(source), name="islr"), out, SilentObserver(), **more)
    return PackedCorpus.open(out / "corpus")


def test_unpacked_samples(folder: Path) -> None:
    result = read(folder)
    assert result.format == "webdataset"
    assert facts(result.clips) == [
        ("v1", "BOOK", "S1", "train"),
        ("v2", "TO DRINK", "S2", "val"),
        ("v3", "tea", "3", None),
    ]
    for number, source in enumerate(result.clips):
        np.testing.assert_allclose(source.clip.points, expected(number), atol=1e-4)
    assert any("as in WebDataset's samples" in note for note in result.report.notes)


def test_dwpose_alone_is_read(folder: Path) -> None:
    for number, key in enumerate(FACTS):
        (folder / f"{key}.pose-mediapipe.pose").unlink()
        np.savez_compressed(folder / f"{key}.pose-dwpose.npz", **people(coco_keypoints(6, number)))
    result = read(folder, size=(640, 480))
    assert [clip.label for clip in result.clips] == ["BOOK", "TO DRINK", "tea"]
    np.testing.assert_allclose(result.clips[1].clip.points, expected(1), atol=1e-6)


def test_a_shard(folder: Path, tmp_path: Path) -> None:
    corpus = imported(shard(folder, tmp_path / "shard_00001-train.tar", "v1", "v2"), tmp_path / "out")
    assert corpus.header.provenance["format"] == "webdataset"
    assert corpus.label_names == ("BOOK", "TO DRINK")
    assert corpus.split_counts == {"train": 1, "val": 1}


def test_a_folder_of_shards(folder: Path, tmp_path: Path) -> None:
    shard(folder, tmp_path / "shards/shard_00001-train.tar", "v1")
    shard(folder, tmp_path / "shards/shard_00002-test.tar", "v3")
    (tmp_path / "shards/README.md").write_text("about the shards")
    corpus = imported(tmp_path / "shards", tmp_path / "out")
    assert corpus.label_names == ("BOOK", "tea")
    assert corpus.split_counts == {"train": 1, "test": 1}
    named = read_named_clips(tmp_path / "shards")
    assert [clip.name for clip in named] == ["shard_00001-train/v1", "shard_00002-test/v3"]


def test_an_archive_of_shards(folder: Path, tmp_path: Path) -> None:
    shard(folder, tmp_path / "shards/a-train.tar", "v1")
    shard(folder, tmp_path / "shards/b-test.tar", "v3")
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "shards", "shards")
    assert imported(tmp_path / "all.tar.gz", tmp_path / "out").split_counts == {"train": 1, "test": 1}


def test_the_limits_hold_for_all_shards_together(folder: Path, tmp_path: Path) -> None:
    for key in FACTS:
        shard(folder, tmp_path / f"shards/{key}.tar", key)
    size = sum((tmp_path / f"shards/{key}.tar").stat().st_size for key in FACTS)
    assert len(imported(tmp_path / "shards", tmp_path / "out", limits=UnpackLimits(size))) == 3
    with pytest.raises(CorpusError, match=r"v\d\.tar has more than"):
        imported(tmp_path / "shards", tmp_path / "less", limits=UnpackLimits(size // 2))
    with pytest.raises(CorpusError, match="files and folders"):
        imported(tmp_path / "shards", tmp_path / "few", limits=UnpackLimits(max_files=5))


def test_damaged_samples_are_skipped_and_counted(folder: Path) -> None:
    (folder / "v2.json").write_text('{"gloss": ')
    (folder / "v3.pose-mediapipe.pose").write_bytes(b"no pose")
    result = read(folder)
    assert [clip.name for clip in result.clips] == ["v1"]
    assert dict(result.report.skipped) == {"unreadable": 2}
    assert "v2.json is damaged" in result.report.examples[0]


@pytest.mark.parametrize("document", [{"width": 640}, [1], "text"])
def test_json_without_metadata_is_another_folder(folder: Path, document: object) -> None:
    for key in FACTS:
        (folder / f"{key}.json").write_text(json.dumps(document))
    assert read(folder).format == "pose_format"


def test_a_pose_without_json_is_noted(folder: Path) -> None:
    (folder / "v1.json").unlink()
    result = read(folder)
    assert [clip.label for clip in result.clips] == [None, "TO DRINK", "tea"]
    (note,) = [note for note in result.report.notes if "no JSON" in note]
    assert note == "1 of 3 poses have no JSON beside them, so nothing is known of them: v1."


def test_few_json_are_another_folder(folder: Path) -> None:
    (folder / "v1.json").unlink()
    (folder / "v2.json").unlink()
    assert read(folder).format == "pose_format"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([{"text": "A"}, {"text": "B"}], "A B"),
        ([1, 2], "1 2"),
        (3.0, "3"),
        ({"id": 7}, "7"),
        ({"text": " ", "name": "A"}, "A"),
        ([], None),
        ({}, None),
        (None, None),
    ],
)
def test_values_of_a_gloss(folder: Path, value: object, text: str | None) -> None:
    written.write_json(folder / "v1.json", {"gloss": value, "signer": "x"})
    assert read(folder).clips[0].label == text


@pytest.mark.parametrize(
    "value", [True, 1.5, [["A"], ["B"]], [{"gloss": "A"}], {"other": 1}, {"text": {"text": "A"}}]
)
@pytest.mark.parametrize("name", ["gloss", "signer"])
def test_unknown_values_are_refused(folder: Path, name: str, value: object) -> None:
    written.write_json(folder / "v1.json", {name: value})
    assert read(folder).report.skipped == {"unreadable": 1}
    written.write_json(folder / "v1.json", {name: value, "signer_id": 1, "text": "A"})
    assert (read(folder).clips[0].label, read(folder).clips[0].signer) == ("A", "1")


@pytest.mark.parametrize(
    ("shard", "split"),
    [
        ("a_train_part-0001", None),
        ("x-val", "val"),
        ("Test_003", "test"),
        ("train.1", "train"),
        ("trainer", None),
    ],
)
def test_splits_of_shards(folder: Path, shard: str, split: str | None) -> None:
    folder.rename(folder.parent / shard)
    result = read(folder.parent)
    assert result.clips[2].split == split
    assert len(result.report.findings()) == (shard == "a_train_part-0001")
