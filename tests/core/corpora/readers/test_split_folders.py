"""Folders called train, val and test are splits; glosses come from the other folders."""

from pathlib import Path

import pytest

from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import coco_keypoints, read

Facts = dict[str, tuple[str | None, str | None]]


def facts(folder: Path, *clips: str) -> tuple[Facts, list[str]]:
    """Label and split of each clip, and the codes of findings."""
    for number, clip in enumerate(clips):
        written.write_pose(folder / f"{clip}.pose", coco_keypoints(3, seed=number))
    result = read(folder)
    codes = [found.kind.code for found in result.report.findings()]
    return {clip.name: (clip.label, clip.split) for clip in result.clips}, codes


@pytest.mark.parametrize(
    ("clips", "expected"),
    [
        (
            ["train/a", "validation/b", "Test/c"],
            {"train/a": (None, "train"), "validation/b": (None, "val"), "Test/c": (None, "test")},
        ),
        (["train/tea/a", "dev/tea/a"], {"train/tea/a": ("tea", "train"), "dev/tea/a": ("tea", "val")}),
        (["tea/train/a", "tea/test/b"], {"tea/train/a": ("tea", "train"), "tea/test/b": ("tea", "test")}),
        (
            ["x/train/tea/a", "x/val/tea/b"],
            {"x/train/tea/a": ("tea", "train"), "x/val/tea/b": ("tea", "val")},
        ),
        (["test/tea/a"], {"test/tea/a": ("tea", "test")}),
        (
            ["Training set/tea/a", "Validation_Set/tea/b", "testset/tea/c"],
            {
                "Training set/tea/a": ("tea", "train"),
                "Validation_Set/tea/b": ("tea", "val"),
                "testset/tea/c": ("tea", "test"),
            },
        ),
    ],
)
def test_a_level_of_split_folders_is_the_split(tmp_path: Path, clips: list[str], expected: Facts) -> None:
    found, codes = facts(tmp_path, *clips)
    assert (found, codes) == (expected, [])


def test_a_gloss_may_not_be_called_like_a_split(tmp_path: Path) -> None:
    found, codes = facts(tmp_path, "train/a", "car/b")
    assert (found["train/a"], codes) == (("train", None), ["gloss-named-like-split"])


def test_a_gloss_in_a_split_may_neither(tmp_path: Path) -> None:
    _, codes = facts(tmp_path, "train/test/a", "test/tea/b")
    assert codes == ["gloss-named-like-split"]


def test_a_table_may_call_a_gloss_as_it_likes(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("name,gloss\na,train\nb,test\n")
    assert facts(tmp_path, "a", "b") == ({"a": ("train", None), "b": ("test", None)}, [])


def test_the_table_says_the_gloss_and_the_folder_the_split(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("name,gloss\na,tea\nb,tea\n")
    assert facts(tmp_path, "train/a", "test/b") == (
        {"train/a": ("tea", "train"), "test/b": ("tea", "test")},
        [],
    )


def test_a_real_folder_without_glosses(shared_data: Path) -> None:
    result = read(shared_data / "cases" / "split-folders" / "autsl")
    assert {(clip.label, clip.split) for clip in result.clips} <= {
        (None, "train"),
        (None, "val"),
        (None, "test"),
    }
    assert len({clip.split for clip in result.clips}) == 3


@pytest.mark.parametrize(
    ("clips", "labels"),
    [
        (["poses/a", "poses/b"], [None, None]),
        (["tea/npz/a", "cup/npz/b"], ["tea", "cup"]),
        (["poses/tea/a", "poses/cup/b"], ["tea", "cup"]),
        (["train/poses/a", "test/poses/b"], [None, None]),
        (["train/tea/Key_Points/a", "test/cup/Key_Points/b"], ["tea", "cup"]),
        (["video/a", "poses/b"], ["video", "poses"]),
        (["tea/a", "tea/b"], ["tea", "tea"]),
    ],
)
def test_folders_around_all_clips_are_no_glosses(
    tmp_path: Path, clips: list[str], labels: list[str | None]
) -> None:
    found, codes = facts(tmp_path, *clips)
    assert ([found[clip][0] for clip in clips], codes) == (labels, [])


@pytest.mark.parametrize(
    ("clips", "note"),
    [
        (
            ["poses/a", "poses/b"],
            "The folder 'poses' is around all clips, so its name was not read as a gloss.",
        ),
        (["tea/a", "tea/b"], "All clips have the gloss 'tea', because they are in folders of one name."),
        (["p1/tea/a", "p2/cup/b"], "the innermost one is its gloss, 'tea' of 'p1/tea'; the others were not"),
    ],
)
def test_what_was_read_as_a_gloss_is_noted(tmp_path: Path, clips: list[str], note: str) -> None:
    for number, clip in enumerate(clips):
        written.write_pose(tmp_path / f"{clip}.pose", coco_keypoints(3, seed=number))
    assert any(note in sentence for sentence in read(tmp_path).report.notes)


@pytest.mark.parametrize(
    "clips",
    [
        ["train/tea/a", "holdout_x/tea/b"],
        ["train/a", "somewhere/b"],
        ["tea/train/a", "tea/rest/b"],
        ["the train x/tea/a", "the test x/cup/b"],
    ],
)
def test_levels_that_mix_splits_and_others_are_found(tmp_path: Path, clips: list[str]) -> None:
    assert facts(tmp_path, *clips)[1] == ["gloss-named-like-split"]


def test_levels_that_mix_are_found_beside_a_table_without_splits(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("name,gloss\na,tea\nb,cup\n")
    assert facts(tmp_path, "train/a", "somewhere/b")[1] == ["gloss-named-like-split"]
    (tmp_path / "labels.csv").write_text("name,gloss,split\na,tea,train\nb,cup,test\n")
    assert facts(tmp_path, "train/a", "somewhere/b")[1] == []


def test_glosses_with_a_word_for_a_split_are_glosses(tmp_path: Path) -> None:
    assert facts(tmp_path, "train station/a", "tea/b", "train x/c")[1] == []
