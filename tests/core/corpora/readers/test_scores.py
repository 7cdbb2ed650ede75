"""Confidences beside points of three coordinates, of which the third is then a depth."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.readers.scores import SCORES
from core.errors import CorpusError
from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import coco_keypoints, holistic_keypoints, read

SIZE = (written.WIDTH, written.HEIGHT)


def with_depth(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points whose third value is a depth below every threshold, and their confidences."""
    deep = points.copy()
    deep[..., 2] = 0.01
    return deep, points[..., 2]


def expect_same(path: Path, wanted: Path) -> None:
    (found,), (clip,) = read(path, size=SIZE).clips, read(wanted, size=SIZE).clips
    np.testing.assert_allclose(found.clip.points, clip.clip.points, atol=1e-6)
    np.testing.assert_array_equal(found.clip.visible, clip.clip.visible)


@pytest.mark.parametrize("name", SCORES)
def test_scores_count(saved: Callable[..., Path], tmp_path: Path, name: str) -> None:
    keypoints = coco_keypoints(5)
    keypoints[2, 112:, 2] = 0
    wanted = saved("wanted.npz", keypoints=keypoints)
    deep, scores = with_depth(keypoints)
    expect_same(saved("one.npz", keypoints=deep, **{name: scores}), wanted)
    expect_same(saved("people.npz", keypoints=deep[:, None], **{name: scores[:, None]}), wanted)
    expect_same(saved("no_score_a_point.npz", keypoints=keypoints, **{name: scores[:, 0]}), wanted)
    of_mmpose = [
        {"instances": [{"keypoints": frame.tolist(), name: score.tolist()}]}
        for frame, score in zip(deep, scores, strict=True)
    ]
    expect_same(written.write_json(tmp_path / "mmpose.json", of_mmpose), wanted)
    if name != "confidences":  # a pickle with these is one of OpenHands
        people = [[{"keypoints": k, name: s}] for k, s in zip(deep, scores, strict=True)]
        for value in ({"keypoints": deep, name: scores}, people):
            (tmp_path / "clip.pkl").write_bytes(pickle.dumps(value))
            expect_same(tmp_path / "clip.pkl", wanted)


def test_scores_of_mediapipe_count(saved: Callable[..., Path]) -> None:
    points = holistic_keypoints(1, 5)[0]
    points[2, 54:, 2] = 0
    deep, scores = with_depth(points)
    expect_same(saved("one.npz", keypoints=deep, scores=scores), saved("wanted.npz", keypoints=points))


@pytest.mark.parametrize(
    "arrays",
    [
        {"keypoints": coco_keypoints(5), "offsets": [0, 2, 5], "conf": np.ones((5, 133))},
        {"keypoints": holistic_keypoints(2, 5), "scores": np.ones((2, 5, 75))},
    ],
)
def test_scores_beside_many_clips_are_refused(saved: Callable[..., Path], arrays: dict[str, Any]) -> None:
    with pytest.raises(CorpusError, match="the third value of each keypoint must be its confidence"):
        read(saved("many.npz", **arrays), size=SIZE)


def test_scores_of_another_shape_are_refused(saved: Callable[..., Path], tmp_path: Path) -> None:
    for keypoints in (coco_keypoints(5), holistic_keypoints(1, 5)[0]):
        path = saved("one.npz", keypoints=keypoints, scores=np.ones((5, 7)))
        with pytest.raises(CorpusError, match=r"got .*\(5, 7\)"):
            read(path, size=SIZE)
    path = tmp_path / "clip.pkl"
    path.write_bytes(pickle.dumps({"keypoints": coco_keypoints(5), "scores": np.ones((5, 7))}))
    with pytest.raises(CorpusError, match=r"shapes that fit; got .*\(5, 7\)"):
        read(path, size=SIZE)
