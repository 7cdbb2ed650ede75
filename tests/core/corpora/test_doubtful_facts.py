"""What an import says of names, glosses, splits and lengths that are doubtful."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.importing import import_corpus
from core.errors import CorpusError
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from tests.core.corpora.readers.conftest import coco_keypoints

Report = Mapping[str, Any]


def imported(folder: Path, out: Path, lengths: list[int], **columns: list[str]) -> Report:
    """The report of clips of these lengths with these columns."""
    offsets = np.cumsum([0, *lengths])
    keypoints = coco_keypoints(int(offsets[-1]))
    np.savez(folder / "a.npz", keypoints=keypoints, offsets=offsets, width=640, height=480, **columns)
    return report_of(folder / "a.npz", out)


def report_of(source: Path, out: Path) -> Report:
    out.mkdir()
    report = import_corpus(ImportSpec(name="c", source=str(source)), out, SilentObserver())["report"]
    assert isinstance(report, dict)
    return report


def test_clips_without_a_gloss_or_split_are_counted(tmp_path: Path) -> None:
    some = imported(tmp_path, tmp_path / "1", [2, 3, 4], labels=["a", "", "b"], split=["test", "", ""])
    assert some["notes"] == [
        "1 of 3 clips without a gloss.",
        "2 of 3 clips without a split, so they are in train, unless split.by says otherwise.",
    ]
    assert imported(tmp_path, tmp_path / "2", [2, 3, 4])["notes"] == []


def test_clips_of_one_name_are_counted(tmp_path: Path) -> None:
    (note,) = imported(tmp_path, tmp_path / "1", [2] * 4, names=["x", "x", "y", "x"])["notes"]
    assert note.startswith("3 clips share their name with another one (for example 'x')")


@pytest.mark.parametrize(("lengths", "count"), [([1, 1, 9], 2), ([1, 9, 9], 0), ([1, 1], 0)])
def test_clips_of_a_single_frame_are_counted(tmp_path: Path, lengths: list[int], count: int) -> None:
    notes = imported(tmp_path, tmp_path / "1", lengths)["notes"]
    assert [note.partition(" clips have")[0] for note in notes] == ([f"{count} of 3"] if count else [])


def test_names_for_missing_values_are_found(tmp_path: Path) -> None:
    report = imported(tmp_path, tmp_path / "1", [2] * 4, labels=["nan", "None", "tea", "book"])
    (found,) = report["findings"]
    assert (found["code"], found["clips"], found["refused"]) == ("missing-value-names", 2, False)
    assert found["examples"] == ["000000: 'nan'", "000001: 'None'"]


def test_a_quote_that_is_not_closed_is_refused(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / "in").mkdir(exist_ok=True)
        np.savez(tmp_path / "in" / f"{name}.npz", keypoints=coco_keypoints(2), width=640, height=480)
    (tmp_path / "in/labels.csv").write_text('name,label\na,"book\nb,cup\nc,x"\n')
    with pytest.raises(CorpusError, match=r"labels\.csv, line 4: a name has a line break"):
        report_of(tmp_path / "in", tmp_path / "1")


def test_a_column_without_a_name_is_not_reported(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    np.savez(tmp_path / "in/a.npz", keypoints=coco_keypoints(2), width=640, height=480)
    (tmp_path / "in/labels.csv").write_text(",name,label\n0,a,book\n")
    assert report_of(tmp_path / "in", tmp_path / "1")["notes"] == []
