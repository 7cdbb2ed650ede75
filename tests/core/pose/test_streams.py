"""The streams: what becomes of points, and their motion."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.pose.streams import HAND_SIZE, motion, streams
from core.specs.pretraining import EncoderConfig

sizes = st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 7), st.integers(1, 3))


def integers(size: tuple[int, ...], seed: int) -> torch.Tensor:
    """Whole numbers, whose sums are exact."""
    return torch.randint(-99, 99, size, generator=torch.Generator().manual_seed(seed)).float()


@settings(deadline=None, max_examples=50)
@given(size=sizes, seed=st.integers(0, 999), shift=st.integers(-99, 99))
def test_a_translated_clip_has_the_same_motion(size: tuple[int, ...], seed: int, shift: int) -> None:
    points = integers(size, seed)
    assert torch.equal(motion(points), motion(points + shift))


@settings(deadline=None, max_examples=50)
@given(size=sizes, seed=st.integers(0, 999))
def test_motion_adds_up_to_the_points_again(size: tuple[int, ...], seed: int) -> None:
    points = integers(size, seed)
    moved = motion(points)
    assert moved.shape == points.shape
    assert torch.equal(points[:, :1] + moved[:, :-1].cumsum(1), points[:, 1:])
    assert (moved[:, -1] == 0).all()


@settings(deadline=None, max_examples=50)
@given(size=sizes, seed=st.integers(0, 999))
def test_motion_is_linear(size: tuple[int, ...], seed: int) -> None:
    first, second = integers(size, seed), integers(size, seed + 1)
    assert torch.equal(motion(first + 2 * second), motion(first) + 2 * motion(second))


@settings(deadline=None, max_examples=50)
@given(size=sizes, seed=st.integers(0, 999))
def test_backward_motion_is_forward_motion_a_frame_later(size: tuple[int, ...], seed: int) -> None:
    points = integers(size, seed)
    backward = motion(points, backward=True)
    assert torch.equal(backward[:, 1:], motion(points)[:, :-1])
    assert (backward[:, 0] == 0).all()


def clip_of(seed: int = 0, frames: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(3, frames, 49, 2, generator=generator)
    return points, torch.rand(3, frames, 2, generator=generator) < 0.6


def test_by_default_points_are_seen_as_they_are() -> None:
    points, visible = clip_of()
    seen = streams(points, visible, EncoderConfig())
    assert list(seen) == ["joint", "motion"]
    assert torch.equal(seen["joint"], points)
    assert torch.equal(seen["motion"], motion(points))


@pytest.mark.parametrize("only", ["joint", "motion"])
def test_a_stream_can_stand_alone(only: str) -> None:
    seen = streams(*clip_of(), EncoderConfig(streams=(only,)))
    assert list(seen) == [only]
    assert torch.equal(seen[only], streams(*clip_of(), EncoderConfig())[only])


def test_about_the_shoulders_it_does_not_matter_where_and_how_large_a_signer_is() -> None:
    points, visible = clip_of()
    elsewhere = points.clone()
    elsewhere[:, :, 42:] = points[:, :, 42:] * 0.4 + torch.tensor([0.3, -0.1])
    config = EncoderConfig(trunk_origin="shoulders")
    here, there = streams(points, visible, config), streams(elsewhere, visible, config)
    for stream in ("joint", "motion"):
        torch.testing.assert_close(here[stream], there[stream], rtol=1e-4, atol=1e-5)
    shoulders = here["joint"][:, :, [43, 46]]
    torch.testing.assert_close(shoulders.mean(dim=(1, 2)), torch.zeros(3, 2), rtol=0, atol=1e-5)
    widths = (shoulders[:, :, 0] - shoulders[:, :, 1]).norm(dim=-1).mean(dim=1)
    torch.testing.assert_close(widths, torch.ones(3))


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 999),
    scale=st.floats(0.3, 3),
    shift=st.tuples(st.floats(0.1, 2), st.floats(0.1, 2)),
    missing=st.lists(st.integers(0, 41), max_size=20),
)
def test_about_its_points_it_does_not_matter_where_and_how_large_a_hand_is(
    seed: int, scale: float, shift: tuple[float, float], missing: list[int]
) -> None:
    points, visible = clip_of(seed)
    points[:, :, missing] = 0
    elsewhere = points.clone()
    hands = (
        torch.arange(6).remainder(2).bool()
    )  # in every second frame only: place and size may change in time
    elsewhere[:, hands, :42] = points[:, hands, :42] * scale + torch.tensor(shift)
    elsewhere[:, :, missing] = 0
    config = EncoderConfig(hand_origin="points")
    here, there = streams(points, visible, config), streams(elsewhere, visible, config)
    for stream in ("joint", "motion"):
        torch.testing.assert_close(here[stream], there[stream], rtol=1e-3, atol=1e-4)


def test_a_hand_about_its_points_has_one_place_and_size() -> None:
    points, visible = clip_of()
    points[0, 0, 5:9] = 0  # some of a hand are missing
    points[1, :, 21:42] = 0  # a hand is
    hands = streams(points, visible, EncoderConfig(hand_origin="points"))["joint"][:, :, :42]
    assert (hands[0, 0, 5:9] == 0.5).all()
    assert (hands[1, :, 21:] == 0).all()
    known = hands[0, 0, [*range(5), *range(9, 21)]]
    torch.testing.assert_close(known.mean(dim=0), torch.tensor([0.5, 0.5]))
    torch.testing.assert_close((known - 0.5).square().mean().sqrt(), torch.tensor(HAND_SIZE))
    shape = points[0, 0, :5] - points[0, 0, 0]
    torch.testing.assert_close((known[:5] - known[0]) * shape[1, 0] / (known[1] - known[0])[0], shape)


def test_a_hand_that_fades_in_has_its_shape_at_once() -> None:
    points, visible = clip_of()
    fading = points.clone()
    fading[:, :, :42] *= torch.linspace(0.4, 1, 6)[:, None, None]
    config = EncoderConfig(hand_origin="points", streams=("joint",))
    here, there = streams(points, visible, config), streams(fading, visible, config)
    torch.testing.assert_close(here["joint"], there["joint"], rtol=1e-4, atol=1e-5)


def test_points_that_are_all_at_one_place_are_not_blown_up() -> None:
    points, visible = clip_of()
    points[:, :, :21] = 0.3 + 1e-5 * points[:, :, :21]
    hand = streams(points, visible, EncoderConfig(hand_origin="points"))["joint"][:, :, :21]
    assert (hand - 0.5).abs().max() < 1e-3


def test_a_trunk_of_zeros_stays_there() -> None:
    points, visible = clip_of()
    points[:, :, 42:] = 0
    assert (streams(points, visible, EncoderConfig(trunk_origin="shoulders"))["joint"][:, :, 42:] == 0).all()


@pytest.mark.parametrize("difference", ["forward", "backward"])
def test_a_missing_hand_is_nowhere_and_does_not_jump(difference: str) -> None:
    points, visible = clip_of()
    config = EncoderConfig(missing_hands="masked", motion_difference=difference)
    changed = points.clone()
    for hand, joints in enumerate((slice(0, 21), slice(21, 42))):
        changed[:, :, joints][~visible[:, :, hand]] = 7.0
    seen, same = streams(points, visible, config), streams(changed, visible, config)
    for stream in ("joint", "motion"):
        assert torch.equal(seen[stream], same[stream])
    right = visible[:, :, 0]
    torch.testing.assert_close(seen["joint"][:, :, :21][right], points[:, :, :21][right] - 0.5)
    assert (seen["joint"][:, :, :21][~right] == 0).all()
    moves = seen["motion"][:, :, 0].abs().sum(-1) > 0
    both = right[:, 1:] & right[:, :-1]
    assert torch.equal(moves[:, 1:] if difference == "backward" else moves[:, :-1], both)


def test_a_trunk_whose_shoulders_are_hidden_stays_as_it_is() -> None:
    points, visible = clip_of()
    points[:, :, [43, 46]] = 0
    seen = streams(points, visible, EncoderConfig(trunk_origin="shoulders"))["joint"]
    assert torch.equal(seen[:, :, 42:], points[:, :, 42:])
