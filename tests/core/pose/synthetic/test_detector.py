"""The detector's faults: noise, lost hands, confidence."""

import numpy as np
import pytest

from core.pose.synthetic.body import LEFT_HAND_POINTS, LOWER_BODY, RIGHT_HAND_POINTS
from core.pose.synthetic.detector import detect

from .conftest import SIZE, Scene


@pytest.fixture(scope="module")
def detected(scene: Scene) -> np.ndarray:
    return detect(scene.pixels, scene.takes, signers=scene.signers, cameras=scene.cameras, seed=5, size=SIZE)


def _lost_frames(scene: Scene, hand: slice) -> np.ndarray:
    """Frames in which `hand` is lost, frame by frame and span by span."""
    lost = []
    for index, num_frames in enumerate(scene.takes.num_frames):
        left_handed = scene.signers.left_handed[scene.takes.schedule.signer[index]]
        which = int((hand == RIGHT_HAND_POINTS) == left_handed)
        since, until = scene.takes.lost_from[index, which], scene.takes.lost_until[index, which]
        lost += [any(a <= t < b for a, b in zip(since, until, strict=True)) for t in range(num_frames)]
    return np.array(lost)


@pytest.mark.parametrize("hand", [LEFT_HAND_POINTS, RIGHT_HAND_POINTS])
def test_lost_hands_have_low_confidence_and_the_others_high(
    scene: Scene, detected: np.ndarray, hand: slice
) -> None:
    lost = _lost_frames(scene, hand)
    assert 0.01 < lost.mean() < 0.15
    confidence = detected[:, hand, 2]
    assert confidence[lost].max() < 0.1
    assert (confidence[~lost] > 0.5).mean() > 0.9
    assert np.median(confidence[~lost]) > 0.7


def test_noise_is_a_few_pixels_where_the_detector_is_sure(scene: Scene, detected: np.ndarray) -> None:
    sure = detected[..., 2] > 0.6
    error = (detected[..., :2] - scene.pixels)[sure]
    assert 1.0 < error.std() < 4.0
    assert abs(error.mean()) < 0.2


def test_everything_is_finite_inside_the_image_and_a_confidence(detected: np.ndarray) -> None:
    assert detected.dtype == np.float32
    assert np.isfinite(detected).all()
    assert (detected[..., :2] >= 0).all()
    assert (detected[..., :2] <= np.array(SIZE) - 1).all()
    assert (detected[..., 2] > 0).all()
    assert (detected[..., 2] < 1).all()


def test_points_outside_the_image_are_unsure(scene: Scene, detected: np.ndarray) -> None:
    outside = ((scene.pixels < 0) | (scene.pixels > np.array(SIZE) - 1)).any(-1)
    assert outside[:, LOWER_BODY].any()
    assert detected[outside][:, 2].max() <= 0.25 + 1e-6


def test_motion_blurs(scene: Scene, detected: np.ndarray) -> None:
    _, time = scene.takes.concatenated_frames()
    speed = np.linalg.norm(np.diff(scene.pixels[:, 10], axis=0, prepend=scene.pixels[:1, 10]), axis=-1)
    speed[time == 0] = 0
    right = detected[:, 10, 2]
    fast = speed > np.quantile(speed, 0.9)
    still = speed < np.quantile(speed, 0.3)
    assert right[fast].mean() < right[still].mean() - 0.05
