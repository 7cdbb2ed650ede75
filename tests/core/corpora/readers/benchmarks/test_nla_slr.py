"""NLA-SLR's packs: one pickle with all clips, and lists of names and glosses."""

import gzip
import json
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.importing import import_corpus
from core.errors import CorpusError, SplitError
from core.pose.normalise import PROFILES, normalise
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from tests.core.corpora.readers.benchmarks.conftest import SIZE, Write, facts, profile_of, read

PACK = "keypoints_hrnet_dark_coco_wholebody.pkl"


def entry(name: str, label: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "label": label, "video_file": f"WLASL2000/{name}.mp4", "seq_len": 60, **more}


@pytest.fixture
def pack(tmp_path: Path, write: Write, videos: list[np.ndarray]) -> Path:
    """Four listed clips, one without keypoints, and keypoints that no list has."""
    write(
        PACK, {"05237": videos[0], "69422": {"keypoints": videos[1]}, "10899": videos[2], "11111": videos[3]}
    )
    write("train.pkl", [entry("05237", "book"), entry("69422", "drink")])
    write("dev.pkl", [entry("10899", "book"), entry("10898", "drink")])
    write("wlasl_word_embeddings.pkl", {"book": np.zeros(300)})
    return tmp_path / "data"


def test_lists_and_pack_are_joined(pack: Path) -> None:
    result = read(pack)
    assert result.format == "nla_slr"
    assert facts(result.clips) == [
        ("10899", "book", None, "val"),
        ("05237", "book", None, "train"),
        ("69422", "drink", None, "train"),
    ]
    assert dict(result.report.skipped) == {"no pose": 1}
    assert "1 poses belong to no listed clip and were not read (for example 11111)." in result.report.notes


def test_the_points_are_those_of_the_pack(pack: Path, videos: list[np.ndarray]) -> None:
    clip = next(clip for clip in read(pack).clips if clip.name == "05237")
    expected = normalise(videos[0], width=SIZE[0], height=SIZE[1], profile=PROFILES["wlasl"])
    np.testing.assert_array_equal(clip.clip.points, expected.clip.points)


def test_lists_may_be_compressed_and_augmented(pack: Path) -> None:
    more = [entry("05237", "book", video_file="augmentation/05237.mp4"), entry("05237", "book")]
    (pack / "train.pkl").write_bytes(gzip.compress(pickle.dumps(more)))
    result = read(pack)
    assert [clip.name for clip in result.clips] == ["10899", "05237"]
    assert "1 augmented copies in the lists were skipped." in result.report.notes


def test_subsets_of_wlasl_come_from_its_lists_of_names(pack: Path) -> None:
    with pytest.raises(CorpusError, match=r"neither MSASL_classes\.json nor WLASL's 100\.json"):
        read(pack, classes=100)
    names = {
        "05237": {"subset": "train", "action": [0, 1, 55]},
        "10899": {"subset": "val", "action": [0, 1, 9]},
    }
    (pack / "1.json").write_text(json.dumps(names))
    assert [clip.name for clip in read(pack, classes=1).clips] == ["10899", "05237"]


def test_subsets_of_msasl_are_its_first_classes(pack: Path) -> None:
    (pack / "MSASL_classes.json").write_text(json.dumps(["drink", "book"]))
    assert [clip.name for clip in read(pack, classes=1).clips] == ["69422"]


def test_packs_of_splits_are_one(pack: Path, write: Write, videos: list[np.ndarray]) -> None:
    (pack / PACK).unlink()
    write("keypoints_hrnet_dark_coco_wholebody/train.pkl", {"05237": videos[0], "69422": videos[1]})
    write("keypoints_hrnet_dark_coco_wholebody/dev.pkl", {"10899": videos[2]})
    assert len(read(pack).clips) == 3


def test_parts_of_packs_are_read_only_where_the_whole_is_not(
    pack: Path, write: Write, videos: list[np.ndarray]
) -> None:
    (pack / PACK).unlink()
    folder = "keypoints_hrnet_dark_coco_wholebody"
    whole = write(f"{folder}/train.pkl", {"05237": videos[0], "69422": videos[1]})
    write(f"{folder}/train_rank0_499.pkl", {"05237": videos[2]})
    write(f"{folder}/train_rank1_499.pkl", {"69422": videos[2]})
    write(f"{folder}/dev_rank0_499.pkl", {"10899": videos[2]})
    result = read(pack)
    assert [clip.name for clip in result.clips] == ["10899", "05237", "69422"]
    expected = normalise(videos[0], width=SIZE[0], height=SIZE[1], profile=PROFILES["wlasl"])
    np.testing.assert_array_equal(result.clips[1].clip.points, expected.clip.points)
    (note,) = (note for note in result.report.notes if "parts" in note)
    assert note == (
        "2 parts of packs were not read (for example train_rank0_499.pkl), because the complete pack was "
        "found (train.pkl)."
    )
    whole.unlink()
    assert [clip.name for clip in read(pack).clips] == ["10899", "05237", "69422"]


def test_a_pack_alone_has_names(pack: Path) -> None:
    result = read(pack / PACK)
    assert [clip.name for clip in result.clips] == ["05237", "69422", "10899", "11111"]
    assert {(clip.label, clip.split) for clip in result.clips} == {(None, None)}


def test_the_folder_says_whose_thresholds_count(pack: Path) -> None:
    assert profile_of(pack.rename(pack.with_name("NMFs-CSL"))).name == "nmfs_csl"


def test_an_archive_of_one_becomes_a_corpus(pack: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "upload", "w:gz") as archive:
        archive.add(pack, "NMFs-CSL")
    asked = {"name": "nmf", "source": str(tmp_path / "upload"), "image_width": 640, "image_height": 480}
    spec = ImportSpec.model_validate({**asked, "format": "nla_slr", "drop_last_frame": True})
    result: Any = import_corpus(spec, tmp_path, SilentObserver())
    assert result["split_counts"] == {"train": 2, "val": 1}
    (note,) = (note for note in result["report"]["notes"] if "thresholds" in note)
    expected = (
        "The thresholds of nmfs_csl were used, because of the name 'NMFs-CSL'. For other thresholds set "
        "profile (--profile)."
    )
    assert note == expected


def test_a_clip_has_one_gloss_and_is_read_once(pack: Path, write: Write) -> None:
    write("train.pkl", [entry("05237", "book"), entry("05237", "book"), entry("69422", "drink")])
    result = read(pack)
    assert [clip.name for clip in result.clips] == ["10899", "05237", "69422"]
    assert any(note.startswith("1 lines repeat a clip of the same list") for note in result.report.notes)
    write("train.pkl", [entry("05237", "book"), entry("10899", "drink")])
    with pytest.raises(CorpusError, match=r"'10899' is listed with two labels, 'book' and 'drink'"):
        read(pack)


def test_a_dev_list_that_repeats_the_test_list_is_named(pack: Path, write: Write, tmp_path: Path) -> None:
    write("test.pkl", [entry("10899", "book")])
    asked = {"name": "n", "source": str(pack), "image_width": 640, "image_height": 480}
    with pytest.raises(
        SplitError, match=r"'10899' is in both .* list or file of 'val' \(it may be named dev\)"
    ):
        import_corpus(ImportSpec.model_validate(asked), tmp_path, SilentObserver())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (PACK, [1, 2], "must hold a dict from clip names to keypoints; got a list"),
        ("train.pkl", {"05237": "book"}, r"train\.pkl does not have the published annotation format"),
        ("train.pkl", [{"name": "05237"}], "/0/label is missing"),
    ],
)
def test_invalid_packs_and_lists_are_refused(
    pack: Path, write: Write, name: str, content: object, message: str
) -> None:
    write(name, content)
    with pytest.raises(CorpusError, match=message):
        read(pack)


def test_hostile_packs_and_lists_are_refused(pack: Path, write: Write) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return os.system, ("true",)

    for name in (PACK, "train.pkl"):
        write(name, {"05237": Hostile()})
        with pytest.raises(CorpusError, match=rf"{name} holds {os.system.__module__}\.system"):
            read(pack)


def test_an_invalid_clip_is_skipped(pack: Path, write: Write, videos: list[np.ndarray]) -> None:
    write(
        PACK, {"05237": videos[0], "69422": "nothing", "10899": np.zeros((3, 27, 3)), "10898": videos[0][:0]}
    )
    report = read(pack).report
    assert dict(report.skipped) == {"unreadable": 2, "no frames": 1}


def test_packs_of_several_benchmarks_are_refused(pack: Path, write: Write, videos: list[np.ndarray]) -> None:
    for name in ("WLASL_2000", "MSASL_1000"):
        write(f"{name}/{PACK}", {"00001": videos[0]})
        write(f"{name}/train.pkl", [entry("00001", name)])
    for name in ("train.pkl", "dev.pkl", PACK):
        (pack / name).unlink()
    with pytest.raises(CorpusError, match=r"both list clips for train\. Keep one, and import each"):
        read(pack)
    (pack / "MSASL_1000/train.pkl").rename(pack / "MSASL_1000/test.pkl")
    with pytest.raises(CorpusError, match=r"belong to different packs\. Import each folder separately"):
        read(pack)


def test_two_lists_of_one_split_are_refused(pack: Path, write: Write) -> None:
    write("val.pkl", [entry("10899", "book")])
    with pytest.raises(CorpusError, match=r"dev\.pkl and .*val\.pkl both list clips for val\. Keep one"):
        read(pack)


def test_a_clip_in_two_packs_is_refused(pack: Path, write: Write, videos: list[np.ndarray]) -> None:
    write("keypoints_mmpose.pkl", {"69422": videos[0]})
    with pytest.raises(CorpusError, match=r"Clip '69422' of .*keypoints_mmpose\.pkl is also in another pack"):
        read(pack)


def test_five_clips_without_keypoints_are_named(pack: Path, write: Write) -> None:
    write("train.pkl", [entry("05237", "book"), *(entry(f"gone {number}", "book") for number in range(99))])
    report = read(pack).report
    assert report.skipped["no pose"] == 100
    assert len(report.examples) == 5
