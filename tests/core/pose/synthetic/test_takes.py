"""Signers, cameras and takes: what varies, and by how much."""

import numpy as np

from core.pose.synthetic.signers import draw_signers
from core.pose.synthetic.takes import MAX_FRAMES, MIN_FRAMES

from .conftest import Scene


def test_clips_have_30_to_80_frames_and_phases_in_order(scene: Scene) -> None:
    takes = scene.takes
    assert takes.num_frames.min() >= MIN_FRAMES
    assert takes.num_frames.max() <= MAX_FRAMES
    assert (np.diff(takes.boundaries, axis=1) > 0).all()
    np.testing.assert_array_equal(np.rint(takes.boundaries[:, -1]), takes.num_frames)


def test_takes_of_one_sign_by_one_signer_differ(scene: Scene) -> None:
    first, second = scene.takes.location_offset[:48], scene.takes.location_offset[48:]
    apart = np.abs(first - second).max((1, 2))
    assert (apart > 1e-3).all()
    assert apart.max() < 0.5


def test_signers_differ_in_everything_and_every_fourth_is_left_handed() -> None:
    signers, cameras = draw_signers(8, num_sessions=3, seed=0, width=640, height=480)
    np.testing.assert_array_equal(np.nonzero(signers.left_handed)[0], [3, 7])
    for name, trait in vars(signers).items():
        if name != "left_handed":
            assert len(np.unique(trait, axis=0)) == 8, name
    assert cameras.centre.shape == (8, 3, 2)
    within = cameras.scale.std(axis=1).mean()
    between = cameras.scale.mean(axis=1).std()
    assert 0 < within < between
    assert set(np.unique(cameras.frame_rate)) <= {25.0, 30.0}


def test_a_larger_cast_begins_with_the_smaller_one() -> None:
    few, _ = draw_signers(3, num_sessions=2, seed=9, width=640, height=480)
    many, _ = draw_signers(10, num_sessions=2, seed=9, width=640, height=480)
    np.testing.assert_array_equal(few.hand_size, many.hand_size[:3])
    np.testing.assert_array_equal(few.location_habit, many.location_habit[:3])
