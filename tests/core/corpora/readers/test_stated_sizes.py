"""The frame size and frame rate that files of each format state, and the options that win."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import CorpusError
from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import holistic_keypoints, read
from tests.core.corpora.readers.formats import test_wide_frames

POINTS = holistic_keypoints(1, 6)[0]
Write = Callable[[Path, Any, Any], Path]


def one_holistic(folder: Path, width: Any, height: Any) -> Path:
    np.savez(path := folder / "a.npz", keypoints=POINTS, width=width, height=height, fps=25)
    return path


def many_holistic(folder: Path, width: Any, height: Any) -> Path:
    np.savez(path := folder / "a.npz", keypoints=POINTS[None], width=[width], height=[height], fps=[25])
    return path


def tasks(folder: Path, width: Any, height: Any) -> Path:
    frames = json.loads(written.write_tasks(folder / "b.json", POINTS).read_text())
    return written.write_json(
        folder / "a.json", {"frames": frames, "width": width, "height": height, "fps": 25}
    )


def asl_signs(folder: Path, width: Any, height: Any) -> Path:
    columns = {"width": width, "height": height, "fps": 25}
    repeated = {name: [value] * (6 * 543) for name, value in columns.items()}
    return written.write_asl_signs(folder / "a.parquet", POINTS, **repeated)


def wide(folder: Path, width: Any, height: Any) -> Path:
    table = test_wide_frames.table_of(POINTS, Width=[width] * 6, image_height=[height] * 6, fps=[25] * 6)
    return test_wide_frames.write_csv(folder / "a.csv", table)


def wide_of_many(folder: Path, width: Any, height: Any) -> Path:
    more = {"clip": ["a"] * 6, "width": [width] * 6, "height": [height] * 6, "fps": [25] * 6}
    return test_wide_frames.write_parquet(folder / "a.parquet", test_wide_frames.table_of(POINTS, **more))


every = pytest.mark.parametrize("write", [one_holistic, many_holistic, tasks, asl_signs, wide, wide_of_many])


@every
@pytest.mark.parametrize("convert", [int, float])
def test_the_stated_size_is_read(tmp_path: Path, write: Write, convert: Callable[[int], Any]) -> None:
    result = read(write(tmp_path, convert(640), convert(480)))
    test_wide_frames.check(result.clips[0], POINTS)
    assert result.report.frame_rates == {25.0: 1}
    assert not any("size" in note for note in result.report.all_notes())


@every
def test_the_options_win_and_a_difference_is_found(tmp_path: Path, write: Write) -> None:
    result = read(write(tmp_path, 1920, 1080), size=(640, 480))
    test_wide_frames.check(result.clips[0], POINTS)
    (found,) = result.report.findings()
    assert (found.kind.code, found.count) == ("other-frame-size", 1)
    assert found.examples[0].endswith(": 1920 x 1080")


@every
def test_a_size_that_cannot_be_is_refused(tmp_path: Path, write: Write) -> None:
    reason = test_wide_frames.why_refused(write(tmp_path, -1, 480))
    assert "between 2 and 1000000 pixels" in reason


def test_a_size_that_changes_within_a_clip_is_refused(tmp_path: Path) -> None:
    table = test_wide_frames.table_of(POINTS, width=[640, 641] * 3, height=[480] * 6)
    with pytest.raises(CorpusError, match="'width' must be the same in all rows of a clip; got 640, 641"):
        read(test_wide_frames.write_csv(tmp_path / "a.csv", table))
