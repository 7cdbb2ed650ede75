"""The kinematic hand: rigid bones, fingers that bend the right way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.pose.skeleton import HAND
from core.pose.synthetic.hand import hand_joints, handshape, turned

TIPS = [4, 8, 12, 16, 20]
FLAT = handshape("along", ("straight",) * 4)
FIST = handshape("across", ("closed",) * 4)
ANGLE = st.floats(-3.2, 3.2)


def _bones(joints: np.ndarray) -> np.ndarray:
    child, parent = np.array(HAND.child_links).T
    return np.linalg.norm(joints[..., child, :] - joints[..., parent, :], axis=-1)


@settings(deadline=None, max_examples=50)
@given(
    angles=st.lists(st.floats(-0.3, 1.8), min_size=20, max_size=20),
    turns=st.tuples(ANGLE, ANGLE, ANGLE),
    size=st.floats(0.2, 2),
)
def test_bones_keep_their_lengths_whatever_the_fingers_do(
    angles: list[float], turns: tuple[float, float, float], size: float
) -> None:
    moved = hand_joints(np.array(angles).reshape(5, 4), np.array(turns), np.array(size))
    still = hand_joints(FLAT, np.zeros(3), np.array(1.0))
    np.testing.assert_allclose(_bones(moved), size * _bones(still), rtol=1e-9)
    np.testing.assert_array_equal(moved[0], 0)


def test_an_unturned_flat_hand_points_up_with_its_thumb_to_the_right() -> None:
    flat = hand_joints(FLAT, np.zeros(3), np.array(1.0))
    assert (flat[TIPS[1:], 1] < -0.7).all()
    assert np.argmax(flat[TIPS, 0]) == 0
    assert (np.diff(flat[[5, 9, 13, 17], 0]) < 0).all()
    assert np.linalg.norm(flat[12]) == pytest.approx(1.0, abs=0.05)


def test_a_fist_brings_the_finger_tips_to_the_palm_side() -> None:
    flat, fist = (hand_joints(shape, np.zeros(3), np.array(1.0)) for shape in (FLAT, FIST))
    reach = np.linalg.norm(fist[TIPS[1:]], axis=-1) / np.linalg.norm(flat[TIPS[1:]], axis=-1)
    assert (reach < 0.7).all()
    assert (fist[[6, 10, 14, 18], 2] < -0.1).all()


@pytest.mark.parametrize(
    ("turns", "fingers", "palm"),
    [
        ((0, 0, 0), (0, -1, 0), (0, 0, -1)),
        ((180, 0, 0), (0, -1, 0), (0, 0, 1)),
        ((-90, 0, 0), (0, -1, 0), (1, 0, 0)),
        ((0, 90, 0), (0, 0, -1), (0, 1, 0)),
        ((-90, 0, 90), (1, 0, 0), (0, 1, 0)),
        ((180, 0, 180), (0, 1, 0), (0, 0, 1)),
    ],
)
def test_turns_point_fingers_and_palm_where_they_should(
    turns: tuple[float, ...], fingers: tuple[float, ...], palm: tuple[float, ...]
) -> None:
    axes = turned(np.array([[0.0, -1, 0], [0, 0, -1]]), np.deg2rad(np.array(turns, dtype=float)))
    np.testing.assert_allclose(axes, [fingers, palm], atol=1e-12)


def test_a_batch_of_hands_equals_the_hands_one_by_one() -> None:
    random = np.random.default_rng(0)
    angles, turns, size = random.uniform(0, 1.5, (7, 5, 4)), random.uniform(-3, 3, (7, 3)), random.random(7)
    together = hand_joints(angles, turns, size)
    for row in range(7):
        np.testing.assert_allclose(together[row], hand_joints(angles[row], turns[row], size[row]), rtol=1e-12)
