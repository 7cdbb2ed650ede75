"""Bodies in space: arms and hands hang together, and the right one signs."""

import numpy as np
import pytest

from core.pose.skeleton import HAND
from core.pose.synthetic.body import LEFT_ARM, LEFT_HAND_POINTS, RIGHT_ARM, RIGHT_HAND_POINTS
from core.pose.synthetic.signs import HANDS

from .conftest import Scene

SIDES = [(LEFT_ARM, LEFT_HAND_POINTS), (RIGHT_ARM, RIGHT_HAND_POINTS)]


def _signer_of_frames(scene: Scene) -> np.ndarray:
    take, _ = scene.takes.concatenated_frames()
    return scene.takes.schedule.signer[take]


@pytest.mark.parametrize(("arm", "hand"), SIDES)
def test_the_hands_wrist_is_the_arms_wrist(scene: Scene, arm: tuple[int, ...], hand: slice) -> None:
    np.testing.assert_array_equal(scene.joints[:, hand][:, 0], scene.joints[:, arm[2]])
    np.testing.assert_array_equal(scene.pixels[:, hand][:, 0], scene.pixels[:, arm[2]])


@pytest.mark.parametrize(("arm", "hand"), SIDES)
def test_bones_of_arm_and_hand_are_the_signers(scene: Scene, arm: tuple[int, ...], hand: slice) -> None:
    signer = _signer_of_frames(scene)
    shoulder, elbow, wrist = (scene.joints[:, joint] for joint in arm)
    upper_arm, forearm = np.linalg.norm(elbow - shoulder, axis=-1), np.linalg.norm(wrist - elbow, axis=-1)
    np.testing.assert_allclose(upper_arm, scene.signers.upper_arm[signer], rtol=1e-6)
    np.testing.assert_allclose(forearm, scene.signers.forearm[signer], rtol=1e-6)
    child, parent = np.array(HAND.child_links).T
    points = scene.joints[:, hand]
    bones = np.linalg.norm(points[:, child] - points[:, parent], axis=-1)
    relative = bones / scene.signers.hand_size[signer][:, None]
    np.testing.assert_allclose(relative, np.broadcast_to(relative[0], relative.shape), rtol=1e-6)


def test_seen_from_the_camera_no_bone_is_longer_than_it_is(scene: Scene) -> None:
    take, _ = scene.takes.concatenated_frames()
    scale = scene.cameras.scale[scene.takes.schedule.signer[take], scene.takes.schedule.session[take]]
    nearest = 1 / (1 - 0.10 * 2.0)
    for arm, _ in SIDES:
        seen = np.linalg.norm(scene.pixels[:, arm[2]] - scene.pixels[:, arm[1]], axis=-1)
        assert (seen <= nearest * 1.1 * scale * scene.signers.forearm[_signer_of_frames(scene)]).all()


def test_a_one_handed_sign_is_made_with_the_signers_own_hand(scene: Scene) -> None:
    one_handed = scene.signs.hands == HANDS.index("one")
    assert one_handed.any()
    take, _ = scene.takes.concatenated_frames()
    for index in np.nonzero(one_handed[scene.takes.schedule.sign])[0]:
        body = scene.joints[take == index]
        left, right = (np.ptp(body[:, arm[2]], axis=0).max() for arm in (LEFT_ARM, RIGHT_ARM))
        left_handed = scene.signers.left_handed[scene.takes.schedule.signer[index]]
        assert (left > 2 * right) if left_handed else (right > 2 * left)


def test_left_is_on_the_right_of_an_unmirrored_image(scene: Scene) -> None:
    assert (scene.pixels[:, 5, 0] > scene.pixels[:, 6, 0]).all()
    assert (scene.pixels[:, 0, 1] < scene.pixels[:, 5, 1]).all()
