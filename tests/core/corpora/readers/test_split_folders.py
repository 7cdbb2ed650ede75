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
