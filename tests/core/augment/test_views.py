"""Views: against loops and the released resize, and their invariants over random clips."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.augment.draws import draw_numbers
from core.augment.occlusion import draw_joints
from core.augment.placement import draw_placement, placed_before
from core.augment.plane_maps import PlaneMaps
from core.augment.spatial import draw_spatial
from core.augment.temporal import TemporalCrop, draw_crop, pick_frames, resize_points
from core.augment.turning import draw_rotation_and_scale
from core.augment.views import ClipBatch, View, cut_view, make_views
from core.corpora.ragged import RaggedBatch
from core.kernels.library import NativeLibrary, native_library
from core.specs.views import ViewConfig
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


def draw_view(batch: ClipBatch, config: ViewConfig, generator: torch.Generator) -> View:
    return make_views(batch, [draw_numbers(batch.lengths, config, generator)], config)[0]


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


view_configs = st.builds(
    ViewConfig,
    num_frames=st.integers(1, 20),
    min_crop_frames=st.integers(1, 40),
    spatial_probability=st.sampled_from([0.0, 0.7, 1.0]),
    num_occluded_joints=st.integers(0, 49),
    hand_swap_mirrors_trunk=st.booleans(),
    trunk_scale_range=st.sampled_from([0.0, 0.3]),
    trunk_shift_range=st.sampled_from([0.0, 0.2]),
)


STRONG = {
    "num_frames": st.integers(1, 20),
    "max_source_frames": st.integers(1, 50),
    "crop_fraction_min": st.floats(0.1, 0.5),
    "crop_fraction_max": st.floats(0.5, 1.0),
    "min_crop_frames": st.integers(1, 40),
    "spatial_probability": st.floats(0.5, 1.0),
    "occlusion_probability": st.floats(0.0, 1.0),
    "num_occluded_joints": st.integers(1, 49),
    "occlusion_zero_probability": st.floats(0.0, 1.0),
    "occlusion_matrix_range": st.floats(0.1, 1.0),
    "shear_range": st.floats(0.1, 1.0),
    "rotation_range": st.floats(0.1, 3.0),
    "scale_range": st.floats(0.1, 0.9),
    "parts_move_apart": st.booleans(),
    "spatial_centre": st.sampled_from(["corner", "centre"]),
    "hand_swap_probability": st.floats(0.5, 1.0),
    "hand_swap_mirrors_trunk": st.booleans(),
    "trunk_scale_range": st.floats(0.1, 0.9),
    "trunk_shift_range": st.floats(0.1, 0.5),
    "trunk_hidden_probability": st.floats(0.1, 1.0),
    "hidden_hand_frames": st.floats(0.1, 1.0),
}
"""Every field, each augmentation switched on."""


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(lengths_of_clips, st.builds(ViewConfig, **STRONG), st.integers(0, 2**31))
@settings(deadline=None, max_examples=60)
def test_without_augmentation_a_view_is_the_whole_clip(
    lengths: list[int], config: ViewConfig, seed: int
) -> None:
    assert STRONG.keys() == ViewConfig.model_fields.keys(), "a new field belongs into STRONG"
    batch, plain = batch_of(lengths), config.without_augmentation()
    whole = TemporalCrop(torch.zeros_like(batch.lengths), batch.lengths.clamp(max=config.max_source_frames))
    expected = cut_view(batch, whole, num_frames=config.num_frames)
    view = draw_view(batch, plain, seeded(seed))
    torch.testing.assert_close(view.points, expected.points, atol=1e-5, rtol=0)
    assert torch.equal(view.hand_visible, expected.hand_visible)


@pytest.mark.slow
@given(lengths_of_clips, view_configs, st.integers(0, 2**31))
@settings(deadline=None, max_examples=60)
def test_a_view_is_its_steps_one_after_the_other(lengths: list[int], config: ViewConfig, seed: int) -> None:
    batch, generator, num_clips = batch_of(lengths), seeded(seed), len(lengths)
    crop = draw_crop(batch.lengths, config, generator)
    matrices = reference.matrices_of(draw_spatial(num_clips, config, generator))
    swapped = torch.rand(num_clips, generator=generator) < config.hand_swap_probability
    placement = draw_placement(num_clips, config, generator)
    cut = cut_view(batch, crop, num_frames=config.num_frames)
    points = reference.transformed(reference.placed(cut.points, placement), matrices)
    points = reference.swapped(points, swapped, mirror_trunk=config.hand_swap_mirrors_trunk)
    hand_visible = torch.where(swapped[:, None, None], cut.hand_visible.flip(2), cut.hand_visible)

    view = draw_view(batch, config, seeded(seed))

    torch.testing.assert_close(view.points, points, atol=1e-5, rtol=0)
    assert torch.equal(view.hand_visible, hand_visible)


@given(lengths_of_clips, view_configs, st.integers(0, 2**31), st.integers(1, 6))
@settings(deadline=None, max_examples=30)
def test_a_clips_views_do_not_depend_on_how_the_batch_is_spread_over_ranks(
    lengths: list[int], config: ViewConfig, seed: int, per_rank: int
) -> None:
    whole = batch_of(lengths)
    draws = [draw_numbers(whole.lengths, config, seeded(seed + view)) for view in range(2)]
    together = make_views(whole, draws, config)
    for first in range(0, len(lengths), per_rank):
        mine = slice(first, first + per_rank)
        ours = clips_of(ragged(lengths), mine)
        views = make_views(ours, [each.select_clips(mine) for each in draws], config)
        for view, expected in zip(views, together, strict=True):
            assert torch.equal(view.points, expected.points[mine])
            assert torch.equal(view.hand_visible, expected.hand_visible[mine])


def clips_of(batch: RaggedBatch, clips: slice) -> ClipBatch:
    ends = np.cumsum(batch.lengths)
    frames = slice((ends - batch.lengths)[clips][0], ends[clips][-1])
    return ClipBatch.of(
        RaggedBatch(batch.points[frames], batch.visible[frames], batch.lengths[clips]), torch.device("cpu")
    )


@given(lengths=lengths_of_clips, config=view_configs, seed=st.integers(0, 2**31))
@settings(deadline=None, max_examples=60)
def test_the_native_kernel_makes_the_same_views(
    native: NativeLibrary, lengths: list[int], config: ViewConfig, seed: int
) -> None:
    batch = batch_of(lengths)
    draws = [draw_numbers(batch.lengths, config, seeded(seed))]
    (plain,), (ours,) = make_views(batch, draws, config), make_views(batch, draws, config, native=native)
    torch.testing.assert_close(ours.points, plain.points, atol=1e-5, rtol=0)
    assert torch.equal(ours.hand_visible, plain.hand_visible)


@given(lengths=lengths_of_clips, config=view_configs, seed=st.integers(0, 2**31), per_rank=st.integers(1, 6))
@settings(deadline=None, max_examples=20)
def test_native_views_do_not_depend_on_how_the_batch_is_spread_either(
    native: NativeLibrary, lengths: list[int], config: ViewConfig, seed: int, per_rank: int
) -> None:
    whole = batch_of(lengths)
    draws = draw_numbers(whole.lengths, config, seeded(seed))
    (together,) = make_views(whole, [draws], config, native=native)
    for first in range(0, len(lengths), per_rank):
        mine = slice(first, first + per_rank)
        ours = clips_of(ragged(lengths), mine)
        (view,) = make_views(ours, [draws.select_clips(mine)], config, native=native)
        assert torch.equal(view.points, together.points[mine])
        assert torch.equal(view.hand_visible, together.hand_visible[mine])


def test_two_views_made_together_are_those_made_alone_and_leave_the_clips_alone() -> None:
    batch, config = batch_of([40, 3, 90]), ViewConfig(num_frames=16)
    before = batch.points.clone()
    together = make_views(
        batch, [draw_numbers(batch.lengths, config, seeded(seed)) for seed in (1, 2)], config
    )
    alone = [draw_view(batch, config, seeded(seed)) for seed in (1, 2)]
    for one, other in zip(together, alone, strict=True):
        assert torch.equal(one.points, other.points)
        assert torch.equal(one.hand_visible, other.hand_visible)
    assert not torch.equal(together[0].points, together[1].points)
    assert torch.equal(batch.points, before)


def test_a_hand_counts_where_any_of_its_points_is_visible() -> None:
    batch = ragged([7, 5])
    expected = np.stack([batch.visible[:, :21].any(1), batch.visible[:, 21:42].any(1)], axis=1)
    np.testing.assert_array_equal(ClipBatch.of(batch, torch.device("cpu")).hand_visible.numpy(), expected)


def test_occlusion_hits_exactly_the_asked_number_of_joints_for_the_whole_view() -> None:
    config = ViewConfig(occlusion_probability=1.0, occlusion_zero_probability=1.0)
    generator = seeded(0)
    assert (draw_joints(50, config, generator).sum(1) == 25).all()
    points = draw_spatial(20, config, generator).apply_(torch.rand(20, 5, 49, 2) + 0.1)
    hidden = (points == 0).all(-1)  # (B, T, V)
    assert (hidden.sum(-1) == 25).all()
    assert (hidden == hidden[:, :1]).all()


def test_shear_is_the_matrix_of_the_paper() -> None:
    config = ViewConfig(occlusion_probability=0.0)
    maps = draw_spatial(200, config, seeded(0))
    matrices = reference.matrices_of(maps)
    assert (matrices == matrices[:, :1]).all(), "one shear for all joints"
    assert (matrices[..., 0, 0] == 1).all()
    assert (matrices[..., 1, 1] == 1).all()
    assert matrices[..., 0, 1].abs().max() <= 1
    sheared = maps.apply_(torch.tensor([0.3, 0.7]).repeat(200, 1, 49, 1))[0, 0, 0]
    a, b = matrices[0, 0, 0, 1], matrices[0, 0, 1, 0]
    torch.testing.assert_close(sheared, torch.stack([0.3 + a * 0.7, b * 0.3 + 0.7]))


def test_odds_are_those_of_the_configuration() -> None:
    config = ViewConfig(spatial_probability=0.6, occlusion_probability=0.25)
    matrices = reference.matrices_of(draw_spatial(4000, config, seeded(0)))
    untouched = (matrices == torch.eye(2)).all(dim=(1, 2, 3)).float().mean()  # type: ignore[call-overload]
    same_for_all = (matrices == matrices[:, :1]).all(dim=(1, 2, 3)).float().mean()  # type: ignore[call-overload]
    assert untouched.item() == pytest.approx(0.4, abs=0.03)
    assert same_for_all.item() == pytest.approx(0.4 + 0.6 * 0.75, abs=0.03)
    exchanged = draw_numbers(torch.full((4000,), 9), ViewConfig(hand_swap_probability=0.3), seeded(0)).swapped
    assert exchanged.float().mean().item() == pytest.approx(0.3, abs=0.03)


def test_swapped_hands_change_places_and_nothing_else_does() -> None:
    batch = batch_of([9, 9])
    kept, swapped = (
        draw_view(
            batch,
            ViewConfig(num_frames=8, spatial_probability=0.0, hand_swap_probability=probability),
            seeded(0),
        )
        for probability in (0.0, 1.0)
    )
    torch.testing.assert_close(swapped.points[:, :, :21], kept.points[:, :, 21:42])
    torch.testing.assert_close(swapped.points[:, :, 21:42], kept.points[:, :, :21])
    torch.testing.assert_close(swapped.points[:, :, 42:], kept.points[:, :, 42:])
    assert torch.equal(swapped.hand_visible, kept.hand_visible.flip(2))


def test_a_mirrored_swap_moves_the_left_arm_to_the_right() -> None:
    fields = {"num_frames": 8, "spatial_probability": 0.0, "hand_swap_mirrors_trunk": True}
    kept, swapped = (
        draw_view(batch_of([9]), ViewConfig(hand_swap_probability=probability, **fields), seeded(0)).points
        for probability in (0.0, 1.0)
    )
    left_wrist, right_wrist = 42 + 3, 42 + 6
    torch.testing.assert_close(swapped[:, :, right_wrist, 0], 1 - kept[:, :, left_wrist, 0])
    torch.testing.assert_close(swapped[:, :, right_wrist, 1], kept[:, :, left_wrist, 1])


def test_placement_moves_only_the_trunk_and_keeps_its_shape() -> None:
    config = ViewConfig(trunk_scale_range=0.3, trunk_shift_range=0.2)
    placement = draw_placement(50, config, seeded(0))
    assert (placement[:, 0] - 1).abs().max() <= 0.3
    assert placement[:, 1:].abs().max() <= 0.2
    points = torch.rand(50, 3, 49, 2)
    nothing = PlaneMaps.of_matrices(torch.eye(2).expand(50, 1, 2, 2))
    placed = placed_before(nothing, placement).apply_(points.clone())
    torch.testing.assert_close(placed[:, :, :42], points[:, :, :42])
    torch.testing.assert_close(placed, reference.placed(points, placement))
    arms = placed[:, :, 43] - placed[:, :, 45], points[:, :, 43] - points[:, :, 45]
    torch.testing.assert_close(arms[0], arms[1] * placement[:, None, :1])


def test_turns_keep_angles_and_ratios_and_each_parts_are_its_own() -> None:
    config = ViewConfig(rotation_range=0.5, scale_range=0.2)
    points = torch.rand(20, 1, 49, 2)
    together = draw_rotation_and_scale(20, config, seeded(0)).about(0.5).apply_(points.clone())
    before, after = ((each - each[:, :, :1]).norm(dim=-1)[:, 0, 1:] for each in (points, together))
    factors = after / before  # (B, 48)
    assert (factors - 1).abs().max() <= 0.2 + 1e-4
    torch.testing.assert_close(factors, factors[:, :1].expand(-1, 48), rtol=1e-3, atol=1e-4)
    apart = config.model_copy(update={"parts_move_apart": True})
    moved = draw_rotation_and_scale(20, apart, seeded(0)).about(0.5).apply_(points.clone())
    torch.testing.assert_close(moved[:, :, :21], together[:, :, :21])
    assert not torch.allclose(moved[:, :, 21:42], together[:, :, 21:42])


def test_about_the_centre_the_centre_stays() -> None:
    config = ViewConfig(spatial_centre="centre", rotation_range=0.5, scale_range=0.2, num_frames=4)
    batch = batch_of([9])
    batch.points.fill_(0.5)
    view = draw_view(batch, config, seeded(0))
    torch.testing.assert_close(view.points, torch.full_like(view.points, 0.5))


@pytest.mark.parametrize("native", [False, True])
def test_missing_points_are_nowhere_in_any_view(native: bool) -> None:
    config = ViewConfig(
        spatial_centre="centre", rotation_range=0.5, scale_range=0.2, trunk_shift_range=0.2,
        hand_swap_mirrors_trunk=True, occlusion_probability=1.0, occlusion_zero_probability=1.0, num_frames=4,
    )  # fmt: skip
    batch = batch_of([9] * 8)
    batch.points[:, [3, 30, 45]] = 0.0
    draws = draw_numbers(batch.lengths, config, seeded(1))
    (view,) = make_views(batch, [draws], config, native=native_library() if native else None)
    gone = (view.points == 0).all(dim=3).sum(dim=2)  # (B, T)
    assert (gone >= config.num_occluded_joints).all(), "zeroed joints are missing, too"
    everywhere = draw_numbers(
        batch.lengths, config.model_copy(update={"spatial_probability": 0.0}), seeded(1)
    )
    (view,) = make_views(batch, [everywhere], config, native=native_library() if native else None)
    assert ((view.points == 0).all(dim=3).sum(dim=2) == 3).all()


def test_a_map_after_a_map_is_both_one_after_the_other() -> None:
    generator = seeded(0)
    first, second = (
        PlaneMaps(*(torch.randn(5, 49, 2, generator=generator) for _ in range(3))) for _ in range(2)
    )
    points = torch.randn(5, 3, 49, 2, generator=generator)
    expected = second.apply_(first.apply_(points.clone()))
    torch.testing.assert_close(second.after(first).apply_(points.clone()), expected, rtol=1e-4, atol=1e-4)


def test_a_view_has_finite_points_of_the_shape_asked_for() -> None:
    view: View = draw_view(batch_of([1, 5, 400]), ViewConfig(num_frames=16), seeded(3))
    assert view.points.shape == (3, 16, 49, 2)
    assert torch.isfinite(view.points).all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_device_makes_the_same_views() -> None:
    batch, config = batch_of([40, 3, 90]), ViewConfig(hand_swap_mirrors_trunk=True, trunk_shift_range=0.2)
    draws = [draw_numbers(batch.lengths, config, seeded(0))]
    (here,), (there,) = (
        make_views(each, draws, config) for each in (batch, batch.pinned().to(torch.device("cuda")))
    )
    torch.testing.assert_close(there.points.cpu(), here.points, atol=1e-5, rtol=0)
    assert torch.equal(there.hand_visible.cpu(), here.hand_visible)
