"""Clips whose frame size or part order differs from the encoder's record are a finding."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.specs.preprocessing import Preprocessing
from signforge.pose_source import open_poses
from tests.core.corpora.readers.conftest import holistic_keypoints

RECORD = Preprocessing(format="mediapipe_holistic", profile="wlasl")
SIZED = RECORD.model_copy(update={"image_width": 640, "image_height": 480})


@pytest.mark.parametrize(
    ("record", "how", "expected"),
    [
        (RECORD, {}, []),
        (SIZED, {}, []),
        (RECORD, {"image_size": (640, 480)}, ["and 640 x 480"]),
        (RECORD, {"image_size": (500, 500)}, []),
        (SIZED, {"image_size": (1280, 720)}, []),
    ],
)
def test_a_frame_size_that_one_side_assumed_is_told(
    tmp_path: Path, record: Preprocessing, how: dict[str, Any], expected: list[str]
) -> None:
    np.savez(tmp_path / "clip.npz", keypoints=holistic_keypoints(1, 12)[0])
    with open_poses(tmp_path / "clip.npz", record=record, **how) as source:
        list(source.clips)
        found = [each for each in source.report.findings() if each.kind.code == "read-unlike-encoder"]
    assert len(found) == len(expected)
    assert all(text in each.message for text, each in zip(expected, found, strict=True))
