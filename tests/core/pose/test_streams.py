"""The motion stream."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.pose.streams import motion

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
