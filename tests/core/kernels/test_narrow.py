"""Kernels of narrow layers against plain PyTorch in double precision, forward and backward."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from core.encoders.adjacency import joint_adjacency, pooled_adjacency
from core.encoders.pass_context import PassContext
from core.encoders.sign_encoder import SignEncoder
from core.kernels.batch_norm import Running, batch_moments, batch_norm, track_moments
from core.kernels.dropout import Dropout
from core.kernels.frame_convolution import frame_convolution
from core.kernels.graph_convolution import graph_convolution
from core.kernels.library import NativeLibrary
from core.kernels.narrow_layer import Product, TrainingNorm, is_narrow, narrow_layer
from core.kernels.neighbourhood import Neighbourhood
from core.pose.skeleton import HAND, TRUNK_PART
from core.specs.recipes import find_recipe

ADJACENCIES = {
    "hand": joint_adjacency(HAND),
    "hand, pooled": pooled_adjacency(HAND),
    "trunk": joint_adjacency(TRUNK_PART),
    "1x1": np.eye(5, dtype=np.float32)[None],
}
some = settings(deadline=None, max_examples=6)


def with_gradients(operation: Callable[..., Tensor], inputs: list[Tensor]) -> list[Tensor]:
    """The result, and the gradients of a weighted sum of it."""
    leaves = [each.clone().requires_grad_() for each in inputs]
    result = operation(*leaves)
    weights = torch.randn(result.shape, generator=torch.Generator().manual_seed(7))
    gradients = torch.autograd.grad((result * weights.to(result.dtype)).sum(), leaves, allow_unused=True)
    return [
        result.detach(),
        *(
            torch.zeros_like(leaf) if each is None else each
            for leaf, each in zip(leaves, gradients, strict=True)
        ),
    ]


def assert_close(ours: list[Tensor], exact: list[Tensor]) -> None:
    for single, double in zip(ours, exact, strict=True):
        scale = 1 + float(double.abs().max())
        torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-4 * scale)


class Layer:
    """A layer with its norm, once by the narrow kernel and once step by step; keeps running statistics."""

    def __init__(self, adjacency: np.ndarray, *, relu: bool, dropout: Dropout | None, carried: bool) -> None:
        self.adjacency = torch.from_numpy(adjacency)
        self.hood = Neighbourhood.of(self.adjacency)
        self.relu, self.dropout, self.carried = relu, dropout, carried

    def running(self, width: int, dtype: torch.dtype) -> Running:
        return Running(torch.zeros(width, dtype=dtype), torch.ones(width, dtype=dtype), momentum=0.1)

    def inputs(self, channels: int, width: int, rows: int) -> list[Tensor]:
        generator = torch.Generator().manual_seed(rows)
        num_maps, num_nodes = len(self.adjacency), self.hood.num_nodes
        learned = [(num_maps * width, channels), (num_maps * width,), (width,), (width,)]
        shapes = [(num_nodes, 2, rows, channels), *learned, (num_nodes, 2, rows, width)]
        return [torch.randn(shape, generator=generator) for shape in shapes]

    def by_kernel(self, native: NativeLibrary, norm: Callable[..., TrainingNorm]) -> Callable[..., Tensor]:
        def layer(
            x: Tensor, weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor, residual: Tensor
        ) -> Tensor:
            assert is_narrow(x, len(scale), native)
            product, carry = Product(x, weight, bias, self.hood), residual if self.carried else None
            return narrow_layer(
                product,
                norm(scale, shift),
                relu=self.relu,
                native=native,
                dropout=self.dropout,
                residual=carry,
            )

        return layer

    def by_steps(self, running: Running) -> Callable[..., Tensor]:
        def layer(
            x: Tensor, weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor, residual: Tensor
        ) -> Tensor:
            maps = weight.unflatten(0, (len(self.adjacency), -1))
            mixed = graph_convolution(x.flatten(1, 2), maps, self.hood.mixing(), self.hood)
            rows = mixed.unflatten(1, x.shape[1:3])
            offsets = self.adjacency.sum(1).T.to(x.dtype) @ bias.unflatten(0, (len(self.adjacency), -1))
            moments = batch_moments(rows, offsets, all_reduce=None, num_ranks=1, native=None)
            track_moments(running, moments)
            carry = residual if self.carried else None
            return batch_norm(
                rows, moments, scale, shift, eps=1e-3, relu=self.relu, offsets=offsets, dropout=self.dropout,
                residual=carry,
            )  # fmt: skip

        return layer


@pytest.mark.parametrize("name", ADJACENCIES)
@given(
    rows=st.integers(2, 40),
    channels=st.integers(1, 70),
    width=st.sampled_from([16, 32, 48, 64]),
    relu=st.booleans(),
    carried=st.booleans(),
    probability=st.sampled_from([0.0, 0.25]),
)
@some
def test_narrow_layer(
    native: NativeLibrary,
    name: str,
    rows: int,
    channels: int,
    width: int,
    relu: bool,
    carried: bool,
    probability: float,
) -> None:
    dropout = Dropout(probability, torch.tensor(5), first_row=3) if probability else None
    layer = Layer(ADJACENCIES[name], relu=relu, dropout=dropout, carried=carried)
    inputs = layer.inputs(channels, width, rows)
    moved, exact = layer.running(width, torch.float32), layer.running(width, torch.float64)

    def norm(weight: Tensor, bias: Tensor) -> TrainingNorm:
        return TrainingNorm(weight, bias, 1e-3, moved)

    doubles = [each.double() for each in inputs]
    linear = Layer(ADJACENCIES[name], relu=False, dropout=None, carried=carried)
    before_relu = linear.by_steps(linear.running(width, torch.float64))(*doubles)
    assume(
        not relu or float(before_relu.abs().min()) > 5e-6
    )  # rounding may switch a ReLU that is nearer to 0
    ours = with_gradients(layer.by_kernel(native, norm), inputs)
    assert_close(ours, with_gradients(layer.by_steps(exact), doubles))
    assert_close([moved.mean, moved.variance], [exact.mean, exact.variance])
    if name == "1x1":
        assert not ours[3].any(), "the norm subtracts the bias"


def test_narrow_layer_over_ranks_with_equal_clips_is_that_of_one(native: NativeLibrary) -> None:
    layer = Layer(ADJACENCIES["trunk"], relu=True, dropout=None, carried=False)
    inputs = layer.inputs(16, 32, 40)

    def alone(weight: Tensor, bias: Tensor) -> TrainingNorm:
        return TrainingNorm(weight, bias, 1e-3, layer.running(32, torch.float32))

    def of_two(weight: Tensor, bias: Tensor) -> TrainingNorm:
        running = layer.running(32, torch.float32)
        return TrainingNorm(weight, bias, 1e-3, running, all_reduce=lambda sums: sums.mul_(2), num_ranks=2)

    both = (with_gradients(layer.by_kernel(native, norm), inputs) for norm in (alone, of_two))
    for one, two in zip(*both, strict=True):
        torch.testing.assert_close(one, two)


@given(
    clips=st.integers(1, 5),
    frames=st.integers(1, 20),
    channels=st.sampled_from([16, 64]),
    width=st.sampled_from([16, 48]),
    size=st.sampled_from([1, 3, 5]),
    relu=st.booleans(),
)
@settings(deadline=None, max_examples=20)
def test_frame_convolution(
    native: NativeLibrary, clips: int, frames: int, channels: int, width: int, size: int, relu: bool
) -> None:
    generator = torch.Generator().manual_seed(frames)
    shapes = ((clips, frames, channels), (width, channels, size), (width,))
    inputs = [torch.randn(shape, generator=generator) for shape in shapes]
    assert is_narrow(inputs[0], width, native)

    def by_kernel(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return frame_convolution(x, weight, bias, relu=relu, native=native)

    def by_torch(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        y = torch.nn.functional.conv1d(x.transpose(1, 2), weight, bias, padding=size // 2).transpose(1, 2)
        return y.relu() if relu else y

    assert_close(
        with_gradients(by_kernel, inputs), with_gradients(by_torch, [each.double() for each in inputs])
    )


def test_wide_layers_and_other_precisions_are_left_to_separate_kernels(native: NativeLibrary) -> None:
    rows = torch.zeros(1, 1, 1, 8)
    assert is_narrow(rows, 64, native)
    assert not any(is_narrow(rows, width, native) for width in (8, 24, 80))
    assert not is_narrow(rows.bfloat16(), 64, native)
    assert not is_narrow(rows, 64, None)


@pytest.mark.slow
def test_a_small_encoder_trains_alike_with_kernels_and_without(native: NativeLibrary) -> None:
    torch.manual_seed(0)
    encoder = SignEncoder(find_recipe("signforge").config.encoder)
    points, visible = torch.rand(3, 16, 49, 2), torch.rand(3, 16, 2) < 0.8
    parameters = dict(encoder.named_parameters())

    def gradients(context: PassContext, dtype: torch.dtype) -> list[Tensor]:
        encoder.to(dtype)
        features = encoder(points.to(dtype), visible, context)
        return list(torch.autograd.grad(features.fused.square().mean(), list(parameters.values())))

    exact = gradients(PassContext(), torch.float64)
    ours = gradients(PassContext(native=native), torch.float32)
    for name, single, double in zip(parameters, ours, exact, strict=True):
        assert (single.double() - double).norm() <= 1e-3 * double.norm() + 1e-5, name
