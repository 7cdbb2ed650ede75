"""A person who is not upright is found, with what was probably done to the points."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.importing import import_corpus
from core.errors import CorpusError
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from tests.core.corpora.readers.conftest import coco_keypoints, read

Change = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
SIDE = 600
"""Width and height of the frames in pixels."""
CHANGES: dict[str, tuple[Change, str]] = {
    "y up": (lambda x, y: (x, SIDE - y), "0.80 shoulder widths below them; probably y counts upwards"),
    "upside down": (
        lambda x, y: (SIDE - x, SIDE - y),
        "0.80 shoulder widths below them; probably the frames are turned by 180 degrees",
    ),
    "exchanged": (
        lambda x, y: (y, x),
        "0.80 shoulder widths to the left of them; probably x and y are exchanged",
    ),
    "to the left": (
        lambda x, y: (y, SIDE - x),
        "0.80 shoulder widths to the left of them; probably the frames are turned by 90 degrees counter",
    ),
    "to the right": (
        lambda x, y: (SIDE - y, x),
        "0.80 shoulder widths to the right of them; probably the frames are turned by 90 degrees clockwise",
    ),
    "exchanged, backwards": (
        lambda x, y: (SIDE - y, SIDE - x),
        "0.80 shoulder widths to the right of them; probably x and y are exchanged, and both count backwards",
    ),
}


def person(num_frames: int = 12) -> np.ndarray:
    """Shoulders 50 pixels apart, the left one 14 lower, and the nose 40 above their middle."""
    keypoints = coco_keypoints(num_frames)
    keypoints[:, [5, 6], :2] = (344, 247), (296, 233)
    keypoints[:, 0, :2] = (320, 200)
    return keypoints


def changed(keypoints: np.ndarray, change: Change) -> np.ndarray:
    x, y = change(keypoints[..., 0], keypoints[..., 1])
    return np.stack([x, y, keypoints[..., 2]], axis=-1)


def found_in(saved: Any, keypoints: np.ndarray) -> dict[str, str]:
    report = read(saved("clip.npz", keypoints=keypoints, width=SIDE, height=SIDE)).report
    return {found.kind.code: found.examples[0] for found in report.findings()}


@pytest.mark.parametrize("num_frames", [1, 12])
def test_a_person_who_is_upright_is_right(saved: Any, num_frames: int) -> None:
    assert found_in(saved, person(num_frames)) == {}


@pytest.mark.parametrize("num_frames", [1, 12])
@pytest.mark.parametrize("name", CHANGES)
def test_what_was_done_to_the_points_is_named(saved: Any, name: str, num_frames: int) -> None:
    change, example = CHANGES[name]
    found = found_in(saved, changed(person(num_frames), change))
    assert list(found) == ["not-upright"], "sides are not judged in such frames"
    assert found["not-upright"].startswith(f"clip: {example}")


@pytest.mark.parametrize(
    "nose",
    [(320, 241), (320, 254), (334, 240), (380, 240)],
    ids=["at", "below a bit", "beside a bit", "away"],
)
def test_a_nose_that_shoulders_contradict_says_nothing(saved: Any, nose: tuple[float, float]) -> None:
    """Looking down moves the nose a little. A nose beside shoulders that are level is a wrong detection."""
    keypoints = person()
    keypoints[:, 0, :2] = nose
    assert found_in(saved, keypoints) == {}


@pytest.mark.parametrize("unknown", [0, 5, 6])
def test_a_point_that_is_not_seen_says_nothing(saved: Any, unknown: int) -> None:
    keypoints = changed(person(), CHANGES["y up"][0])
    keypoints[:, unknown, 2] = 0.4
    assert found_in(saved, keypoints) == {}
    keypoints[:, unknown] = (np.nan, np.nan, 0.9)
    assert "not-upright" not in found_in(saved, keypoints)


@pytest.mark.parametrize("name", ["y up", "exchanged", "to the left", "to the right"])
def test_real_people_who_are_not_upright_are_refused(shared_data: Path, tmp_path: Path, name: str) -> None:
    with np.load(shared_data / "signs" / "signs_small.npz") as file:
        points = file["keypoints"][::10].astype("f8")
    known = points[..., :2].any(axis=-1, keepdims=True)
    changed_points = changed(points * (SIDE, SIDE, 1), CHANGES[name][0]) / (SIDE, SIDE, 1)
    np.savez(tmp_path / "signs.npz", keypoints=np.where(known, changed_points, 0))
    spec = ImportSpec(name="signs", source=str(tmp_path / "signs.npz"), image_width=640, image_height=480)
    (tmp_path / "out").mkdir()
    with pytest.raises(CorpusError, match="--accept not-upright") as refused:
        import_corpus(spec, tmp_path / "out", SilentObserver())
    cause = CHANGES[name][1].split("probably ")[1]
    assert f"probably {cause}" in str(refused.value)
