"""Views: against loops and the released resize, and their invariants over random clips."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.augment.occlusion import draw_joints
from core.augment.placement import draw_placement, place
from core.augment.spatial import draw_spatial, transform
from core.augment.temporal import TemporalCrop, draw_crop, pick_frames, resize_points
from core.augment.views import ClipBatch, View, draw_view, swap_hands
from core.config import ViewConfig
from core.corpora.packed import RaggedBatch
from tests.references import views as reference

lengths_of_clips = st.lists(st.integers(1, 400), min_size=1, max_size=6)


def ragged(lengths: list[int], seed: int = 0) -> RaggedBatch:
    random, total = np.random.default_rng(seed), sum(lengths)
    return RaggedBatch(
        points=random.random((total, 49, 2), dtype=np.float32),
        visible=random.random((total, 49)) < 0.3,
        lengths=np.array(lengths, dtype=np.int64),
    )


def batch_of(lengths: list[int], seed: int = 0) -> ClipBatch:
    return ClipBatch.of(ragged(lengths, seed), torch.device("cpu"))


@given(lengths_of_clips, st.integers(0, 2**31), st.integers(1, 70))
@settings(deadline=None, max_examples=30)
def test_crops_lie_inside_their_clips_and_resize_like_a_loop(
    lengths: list[int], seed: int, frames: int
) -> None:
    batch, config = batch_of(lengths), ViewConfig(num_frames=frames)
    crop = draw_crop(batch.lengths, config, torch.Generator().manual_seed(seed))
    capped = batch.lengths.clamp(max=300)
    assert (crop.starts >= 0).all()
    assert (crop.starts + crop.lengths <= capped).all()
    assert (crop.lengths >= torch.minimum(capped, torch.tensor(32))).all()

    points = resize_points(batch.points, batch.offsets, crop, num_frames=frames)
    visible = pick_frames(batch.hand_visible, batch.offsets, crop, num_frames=frames)
    for i, offset in enumerate(batch.offsets.tolist()):
        start, length = int(crop.starts[i]) + offset, int(crop.lengths[i])
        looped = reference.resized(batch.points.numpy(), start, length, frames)
        np.testing.assert_allclose(points[i].numpy(), looped, atol=1e-5)
        np.testing.assert_array_equal(
            visible[i].numpy(), reference.picked(batch.hand_visible.numpy(), start, length, frames)
        )


@pytest.mark.parametrize(("start", "length"), [(0, 85), (5, 32), (11, 47)])
def test_resize_is_the_released_one(shared_data: Path, start: int, length: int) -> None:
    golden = np.load(shared_data / "golden" / "normalise.npz")
    clip = torch.from_numpy(golden["wlasl_640x480/normalised"])
    crop = TemporalCrop(torch.tensor([start]), torch.tensor([length]))
    ours = resize_points(clip, torch.tensor([0]), crop, num_frames=64)[0]
    np.testing.assert_allclose(ours.numpy(), golden[f"resize/start{start}_length{length}"], atol=1e-5)


@given(lengths_of_clips, st.integers(0, 2**31))
@settings(deadline=None, max_examples=20)
def test_a_view_is_a_pure_function_of_clips_and_generator(lengths: list[int], seed: int) -> None:
    batch, config = batch_of(lengths), ViewConfig(num_frames=16)
    first, again = (draw_view(batch, config, torch.Generator().manual_seed(seed)) for _ in range(2))
    torch.testing.assert_close(first.points, again.points, rtol=0, atol=0)
    assert torch.equal(first.hand_visible, again.hand_visible)
    assert first.points.shape == (len(lengths), 16, 49, 2)
    assert torch.isfinite(first.points).all()


def test_occlusion_hits_exactly_the_asked_number_of_joints_for_the_whole_view() -> None:
    config = ViewConfig(occlusion_probability=1.0, occlusion_zero_probability=1.0)
    generator = torch.Generator().manual_seed(0)
    assert (draw_joints(50, config, generator).sum(1) == 25).all()
    points = torch.rand(20, 5, 49, 2) + 0.1
    hidden = (transform(points, draw_spatial(20, config, generator)) == 0).all(-1)  # (B, T, V)
    assert (hidden.sum(-1) == 25).all()
    assert (hidden == hidden[:, :1]).all()


def test_shear_is_the_matrix_of_the_paper() -> None:
    config = ViewConfig(occlusion_probability=0.0)
    matrices = draw_spatial(200, config, torch.Generator().manual_seed(0))
    assert (matrices == matrices[:, :1]).all(), "one shear for all joints"
    assert (matrices[..., 0, 0] == 1).all()
    assert (matrices[..., 1, 1] == 1).all()
    assert matrices[..., 0, 1].abs().max() <= 1
    point = torch.tensor([0.3, 0.7])
    sheared = transform(point.expand(200, 1, 49, 2), matrices)[0, 0, 0]
    a, b = matrices[0, 0, 0, 1], matrices[0, 0, 1, 0]
    torch.testing.assert_close(sheared, torch.stack([0.3 + a * 0.7, b * 0.3 + 0.7]))


def test_odds_are_those_of_the_configuration() -> None:
    config = ViewConfig(spatial_probability=0.6, occlusion_probability=0.25)
    matrices = draw_spatial(4000, config, torch.Generator().manual_seed(0))
    untouched = (matrices == torch.eye(2)).all(dim=(1, 2, 3)).float().mean()  # type: ignore[call-overload]
    same_for_all = (matrices == matrices[:, :1]).all(dim=(1, 2, 3)).float().mean()  # type: ignore[call-overload]
    assert untouched.item() == pytest.approx(0.4, abs=0.03)
    assert same_for_all.item() == pytest.approx(0.4 + 0.6 * 0.75, abs=0.03)


def test_swapping_hands_twice_changes_nothing_and_once_exchanges_them() -> None:
    view = View(torch.rand(3, 4, 49, 2), torch.rand(3, 4, 2) < 0.5)
    swapped = swap_hands(view, torch.tensor([True, False, True]))
    torch.testing.assert_close(swapped.points[0, :, :21], view.points[0, :, 21:42])
    torch.testing.assert_close(swapped.points[0, :, 42:], view.points[0, :, 42:])
    torch.testing.assert_close(swapped.points[1], view.points[1])
    assert torch.equal(swapped.hand_visible[2], view.hand_visible[2].flip(1))
    twice = swap_hands(swapped, torch.tensor([True, False, True]))
    torch.testing.assert_close(twice.points, view.points)


def test_a_mirrored_swap_twice_changes_nothing_and_moves_the_left_arm_to_the_right() -> None:
    view = View(torch.rand(1, 4, 49, 2), torch.rand(1, 4, 2) < 0.5)
    swapped = swap_hands(view, torch.tensor([True]), mirror_trunk=True)
    left_wrist, right_wrist = 42 + 3, 42 + 6
    torch.testing.assert_close(swapped.points[0, :, right_wrist, 0], 1 - view.points[0, :, left_wrist, 0])
    torch.testing.assert_close(swapped.points[0, :, right_wrist, 1], view.points[0, :, left_wrist, 1])
    twice = swap_hands(swapped, torch.tensor([True]), mirror_trunk=True)
    torch.testing.assert_close(twice.points, view.points)


def test_placement_moves_only_the_trunk_and_keeps_its_shape() -> None:
    config = ViewConfig(trunk_scale_range=0.3, trunk_shift_range=0.2)
    placement = draw_placement(50, config, torch.Generator().manual_seed(0))
    assert (placement[:, 0] - 1).abs().max() <= 0.3
    assert placement[:, 1:].abs().max() <= 0.2
    points = torch.rand(50, 3, 49, 2)
    placed = place(points, placement)
    torch.testing.assert_close(placed[:, :, :42], points[:, :, :42])
    arms = placed[:, :, 43] - placed[:, :, 45], points[:, :, 43] - points[:, :, 45]
    torch.testing.assert_close(arms[0], arms[1] * placement[:, None, :1])
