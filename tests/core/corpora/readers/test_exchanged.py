"""Left and right can be exchanged where a source names them the other way round."""

from pathlib import Path

import numpy as np
import pytest

from core.pose.skeleton import HANDS, TRUNK
from core.specs.source_formats import Sides
from tests.core.corpora.readers.conftest import coco_keypoints, read


def test_exchanged_hands_are_the_right_ones(shared_data: Path) -> None:
    case = shared_data / "cases" / "handedness-swapped"
    (expected,) = read(case / "named_right.json", size=(640, 480)).clips
    result = read(case / "swapped.json", size=(640, 480), sides="exchange_hands")
    np.testing.assert_array_equal(result.clips[0].clip.points, expected.clip.points)
    assert result.report.findings() == []


@pytest.mark.parametrize(
    ("sides", "order"),
    [
        ("as_stored", [*range(133)]),
        ("exchange_hands", [*range(91), *range(112, 133), *range(91, 112)]),
        (
            "exchange_all",
            [0, 1, 2, 3, 4, 6, 5, 8, 7, 10, 9, *range(11, 91), *range(112, 133), *range(91, 112)],
        ),
    ],
)
def test_points_stay_and_names_change(tmp_path: Path, sides: Sides, order: list[int]) -> None:
    keypoints = coco_keypoints(12)
    clips = {}
    for name, points in (("stored", keypoints), ("exchanged", keypoints[:, order])):
        np.savez(tmp_path / f"{name}.npz", keypoints=points, width=640, height=480)
        (clips[name],) = read(
            tmp_path / f"{name}.npz", sides="as_stored" if name == "stored" else sides
        ).clips
    for part in (HANDS, TRUNK):
        np.testing.assert_array_equal(
            clips["exchanged"].clip.points[:, part], clips["stored"].clip.points[:, part]
        )
