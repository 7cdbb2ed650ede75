"""Signs and signers in the names of clips: LSA64's and AUTSL's."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import Read, coco_keypoints, read

LSA64 = [
    f"{sign:03d}_{signer:03d}_{take:03d}" for sign in (1, 64) for signer in (2, 10) for take in range(1, 6)
]
AUTSL = [f"signer{signer}_sample{sample}_color" for signer in (0, 34) for sample in range(1, 11)]


def folder_of(folder: Path, names: Iterable[str]) -> Path:
    for number, name in enumerate(names):
        written.write_pose(folder / f"{name}.pose", coco_keypoints(2, number))
    return folder


def facts(result: Read) -> list[tuple[str, str | None, str | None]]:
    return [(clip.name, clip.label, clip.signer) for clip in result.clips]


def noted(result: Read) -> bool:
    return any("read from the names" in note for note in result.report.notes)


def test_lsa64(tmp_path: Path) -> None:
    result = read(folder_of(tmp_path, LSA64))
    assert facts(result) == [(name, name[:3], name[4:7]) for name in LSA64]
    assert any("like those of LSA64" in note for note in result.report.notes)


def test_the_folder_of_all_videos_is_no_sign(tmp_path: Path) -> None:
    result = read(folder_of(tmp_path, [f"all/{name}" for name in LSA64]))
    assert {clip.label for clip in result.clips} == {"001", "064"}


def test_autsl_without_its_lists(tmp_path: Path) -> None:
    result = read(folder_of(tmp_path, AUTSL))
    assert facts(result)[0] == ("signer0_sample10_color", None, "0")
    assert {clip.signer for clip in result.clips} == {"0", "34"}
    assert noted(result)


@pytest.mark.parametrize(
    "names",
    [
        LSA64[:-1],  # too few
        [*LSA64, "introduction"],
        [*LSA64, "065_001_001"],
        [*LSA64, "001_000_001"],
        [f"001_001_{take:03d}" for take in range(1, 31)],  # no such repetitions
        [f"{sign:03d}_007_001" for sign in range(1, 31)],  # one signer
        [f"{'tea' if number % 2 else 'book'}/{name}" for number, name in enumerate(LSA64)],
        [*LSA64, f"more/{LSA64[0]}"],
    ],
)
def test_names_that_may_mean_something_else_are_left_alone(tmp_path: Path, names: list[str]) -> None:
    result = read(folder_of(tmp_path, names))
    assert len(result.clips) == len(names)
    assert not any(clip.signer for clip in result.clips)
    assert not noted(result)


def test_a_table_of_labels_comes_first(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, LSA64)
    (folder / "labels.csv").write_text("name,label\n" + "".join(f"{name},tea\n" for name in LSA64))
    result = read(folder)
    assert {(clip.label, clip.signer) for clip in result.clips} == {("tea", None)}
    assert not noted(result)
