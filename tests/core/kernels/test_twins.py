"""Each native kernel against its plain PyTorch twin, forward and backward, over random shapes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from core.encoders.adjacency import joint_adjacency, pooled_adjacency
from core.kernels import library
from core.kernels.attention import attention
from core.kernels.batch_norm import batch_moments, batch_norm
from core.kernels.dropout import Dropout, drop
from core.kernels.graph_convolution import graph_convolution
from core.kernels.layer_norm import add_layer_norm
from core.kernels.library import MAX_CHANNELS, NativeLibrary
from core.kernels.neighbourhood import Neighbourhood
from core.kernels.sub_parts import pool_sub_parts
from core.kernels.windows import frame_windows
from core.pose.skeleton import HAND, TRUNK_PART
from tests.references.batch_norm import batch_norm_by_autograd

Operation = Callable[..., Tensor]
sizes = st.integers(1, 5)
widths = st.integers(1, 70)
probabilities = st.sampled_from([0.0, 0.05, 0.5])
some = settings(deadline=None, max_examples=25)


def random_tensors(*shapes: tuple[int, ...], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def outcome(operation: Operation, inputs: list[Tensor], native: NativeLibrary | None) -> list[Tensor]:
    """The result, and the gradients of a weighted sum of it."""
    leaves = [each.clone().requires_grad_() for each in inputs]
    result = operation(*leaves, native=native)
    weights = torch.randn(result.shape, generator=torch.Generator().manual_seed(7)).to(result.dtype)
    gradients = torch.autograd.grad((result * weights).sum(), leaves)
    return [result.detach(), *gradients]


def assert_twins(operation: Operation, inputs: list[Tensor], native: NativeLibrary) -> None:
    """In float32 to rounding; in bfloat16 no further from float32 than the plain twin in bfloat16, nearly."""
    exact = outcome(operation, inputs, None)
    for ours, theirs in zip(outcome(operation, inputs, native), exact, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * (1 + float(theirs.abs().max())))
    half = [each.bfloat16() if each.dim() > 2 else each for each in inputs]
    rounded, plain = outcome(operation, half, native), outcome(operation, half, None)
    largest = max(float(each.norm()) for each in exact)  # what is zero in truth is a sum of such numbers
    for ours, theirs, true in zip(rounded, plain, exact, strict=True):
        assert (ours.float() - true).norm() <= 2 * (theirs.float() - true).norm() + 0.02 * largest + 1e-2


def dropout_of(probability: float, seed: int = 5) -> Dropout | None:
    return Dropout(probability, torch.tensor(seed), first_row=3) if probability else None


@pytest.mark.slow
@given(sizes, st.integers(1, 2), st.integers(2, 90), widths, probabilities, st.booleans(), st.booleans())
@some
def test_batch_norm(
    native: NativeLibrary,
    nodes: int,
    groups: int,
    rows: int,
    channels: int,
    probability: float,
    relu: bool,
    carried: bool,
) -> None:
    shape = (nodes, groups, rows, channels)

    def normalised(
        x: Tensor,
        offsets: Tensor,
        weight: Tensor,
        bias: Tensor,
        residual: Tensor,
        *,
        native: NativeLibrary | None,
    ) -> Tensor:
        moments = batch_moments(x, offsets, all_reduce=None, num_ranks=1, native=native)
        y = batch_norm(
            x,
            moments,
            weight,
            bias,
            eps=0.1,
            relu=relu,
            offsets=offsets,
            dropout=dropout_of(probability),
            residual=residual if carried else None,
            native=native,
        )
        return y if carried else y + 0 * residual

    tensors = random_tensors(shape, (nodes, channels), (channels,), (channels,), shape)
    assert_twins(normalised, tensors, native)

    def reference(
        x: Tensor,
        offsets: Tensor,
        weight: Tensor,
        bias: Tensor,
        residual: Tensor,
        *,
        native: NativeLibrary | None,
    ) -> Tensor:
        carry = residual if carried else None
        dropout = dropout_of(probability)
        y = batch_norm_by_autograd(x, offsets, weight, bias, carry, eps=0.1, relu=relu, dropout=dropout)
        return y if carried else y + 0 * residual

    exact = [each.double() for each in tensors]
    for ours, theirs in zip(outcome(normalised, exact, None), outcome(reference, exact, None), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.slow
@given(sizes, st.integers(1, 40), widths)
@some
def test_batch_norm_by_running_statistics(
    native: NativeLibrary, nodes: int, rows: int, channels: int
) -> None:
    mean, variance = random_tensors((1, channels), (1, channels), seed=3)

    def normalised(x: Tensor, weight: Tensor, bias: Tensor, *, native: NativeLibrary | None) -> Tensor:
        from core.kernels.batch_norm import Moments

        moments = Moments(mean, variance.abs(), count=1)
        return batch_norm(x, moments, weight, bias, eps=1e-5, relu=True, moves=False, native=native)

    assert_twins(normalised, random_tensors((nodes, 1, rows, channels), (channels,), (channels,)), native)


@pytest.mark.slow
@pytest.mark.parametrize("part", [HAND, TRUNK_PART], ids=lambda part: part.name)
@pytest.mark.parametrize("adjacency_of", [joint_adjacency, pooled_adjacency])
@given(rows=st.integers(1, 70), channels=widths, width=st.integers(1, 20))
@settings(deadline=None, max_examples=8)
def test_graph_convolution(
    native: NativeLibrary, part, adjacency_of, rows: int, channels: int, width: int
) -> None:  # type: ignore[no-untyped-def]
    adjacency = torch.from_numpy(adjacency_of(part))
    neighbourhood = Neighbourhood.of(adjacency)
    mixing = neighbourhood.mixing()

    def mixed(x: Tensor, maps: Tensor, *, native: NativeLibrary | None) -> Tensor:
        return graph_convolution(x, maps, mixing, neighbourhood, native=native)

    num_nodes = adjacency.shape[1]
    shapes = ((num_nodes, rows, channels), (4, width, channels))
    assert_twins(mixed, random_tensors(*shapes), native)


@given(st.integers(1, 70), widths)
@some
def test_pooling_gives_ties_to_the_first(native: NativeLibrary, rows: int, channels: int) -> None:
    (x,) = random_tensors((HAND.num_joints, rows, channels))
    x = x.mul(2).round()  # many ties

    def pooled(x: Tensor, *, native: NativeLibrary | None) -> Tensor:
        return pool_sub_parts(x, HAND.sub_parts, native=native)

    assert_twins(pooled, [x], native)


@given(sizes, sizes, st.integers(2, 70), probabilities, st.booleans())
@some
def test_layer_norm(
    native: NativeLibrary, clips: int, frames: int, channels: int, probability: float, carried: bool
) -> None:
    shape = (clips, frames, channels)

    def normalised(
        x: Tensor, residual: Tensor, weight: Tensor, bias: Tensor, *, native: NativeLibrary | None
    ) -> Tensor:
        carry = residual if carried else None
        dropout = dropout_of(probability)
        y = add_layer_norm(x, carry, weight, bias, eps=1e-3, dropout=dropout, native=native)
        return y if carried else y + 0 * residual

    assert_twins(normalised, random_tensors(shape, shape, (channels,), (channels,)), native)


@pytest.mark.slow
@given(sizes, sizes, st.integers(1, 70), st.integers(1, 9), probabilities)
@some
def test_attention(
    native: NativeLibrary, clips: int, heads: int, frames: int, width: int, probability: float
) -> None:
    def attended(query: Tensor, key: Tensor, value: Tensor, *, native: NativeLibrary | None) -> Tensor:
        return attention(query, key, value, dropout=dropout_of(probability), native=native)

    assert_twins(attended, random_tensors(*[(clips, heads, frames, width)] * 3), native)


@given(sizes, st.integers(1, 9), widths, st.sampled_from([1, 3, 5]))
@some
def test_windows(native: NativeLibrary, clips: int, frames: int, channels: int, size: int) -> None:
    def cut(x: Tensor, *, native: NativeLibrary | None) -> Tensor:
        return frame_windows(x, size, native=native)

    assert_twins(cut, random_tensors((clips, frames, channels)), native)


@pytest.mark.parametrize("probability", [0.05, 0.1, 0.25, 0.5])
def test_dropout_keeps_the_share_it_should(probability: float) -> None:
    kept = drop(torch.ones(3, 2, 500, 64), dropout_of(probability))
    share = float((kept > 0).float().mean())
    assert share == pytest.approx(1 - probability, abs=0.01)
    assert float(kept.mean()) == pytest.approx(1, abs=0.02)


def test_masks_of_different_places_clips_and_channels_are_unrelated() -> None:
    one, other = ((drop(torch.ones(1, 1, 4000, 64), dropout_of(0.5, seed=s)) > 0).double() for s in (1, 2))
    for first, second in ((one, other), (one[:, :, 1:], one[:, :, :-1]), (one[..., 1:], one[..., :-1])):
        correlation = torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1]
        assert abs(float(correlation)) < 0.01


def test_a_rank_draws_its_part_of_the_batchs_mask() -> None:
    whole = drop(torch.ones(3, 2, 20, 10), Dropout(0.5, torch.tensor(9)))
    part = drop(torch.ones(3, 2, 12, 10), Dropout(0.5, torch.tensor(9), first_row=8))
    torch.testing.assert_close(whole[:, :, 8:], part)


def test_rows_too_long_for_the_kernels_are_left_to_plain_pytorch(native: NativeLibrary) -> None:
    header = Path(library.__file__).with_name("source") / "elements.h"
    assert f"constexpr int64_t MAX_CHANNELS = {MAX_CHANNELS};" in header.read_text()
    assert library.runs_natively(torch.empty(1, MAX_CHANNELS), native)
    assert not library.runs_natively(torch.empty(1, MAX_CHANNELS + 1), native)
    tokens, weight = torch.rand(1, 2, MAX_CHANNELS + 1), torch.ones(MAX_CHANNELS + 1)
    arguments = (tokens, tokens, weight, weight)
    ours, plain = (add_layer_norm(*arguments, eps=1e-5, native=each) for each in (native, None))
    torch.testing.assert_close(ours, plain)
    query, key, value = random_tensors(*[(1, 1, MAX_CHANNELS + 1, 1)] * 3)
    mixed, exact = (attention(query, key, value, native=each) for each in (native, None))
    torch.testing.assert_close(mixed, exact)
