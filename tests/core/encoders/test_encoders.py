"""Graph convolution against its formula, and what the encoder promises whatever its weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from core.encoders.adjacency import joint_adjacency, pooled_adjacency
from core.encoders.folding import folded
from core.encoders.graph_conv import GraphConvolution
from core.encoders.layers import LinearBeforeNorm
from core.encoders.pass_context import PassContext, number_places
from core.encoders.pooling import pooling
from core.encoders.sign_encoder import SignEncoder
from core.encoders.temporal_transformer import TransformerBlock
from core.kernels.library import native_library
from core.pose.skeleton import HAND, REPAIRED_TRUNK_PART, TRUNK_PART, PartSkeleton
from tests.core.small import REPAIRED, SMALL


@pytest.fixture(params=[SMALL, REPAIRED], ids=lambda config: config.recipe)
def encoder(request: pytest.FixtureRequest) -> SignEncoder:
    torch.manual_seed(1)
    return SignEncoder(request.param.encoder)


def clips(count: int, frames: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(count)
    points = torch.rand(count, frames, 49, 2, generator=generator)
    return points, torch.rand(count, frames, 2, generator=generator) < 0.7


@pytest.mark.parametrize("part", [HAND, TRUNK_PART], ids=lambda part: part.name)
def test_columns_of_the_joint_adjacency_sum_to_one(part: PartSkeleton) -> None:
    np.testing.assert_allclose(joint_adjacency(part).sum(axis=(0, 1)), 1, rtol=1e-6)
    assert pooled_adjacency(part).shape == (4, len(part.sub_parts), len(part.sub_parts))


def test_graph_convolution_is_the_double_sum() -> None:
    torch.manual_seed(0)
    layer, nodes = GraphConvolution(3, 5, joint_adjacency(TRUNK_PART)), torch.rand(7, 1, 2, 3)
    weights, biases = layer.spread.weight.view(4, 5, 3), layer.spread.bias.view(4, 5)
    expected = torch.zeros(7, 1, 2, 5)
    for k in range(4):
        for v in range(7):
            for w in range(7):
                expected[w] += layer.adjacency[k, v, w] * (nodes[v] @ weights[k].T + biases[k])
    mixed = layer(nodes, PassContext())
    torch.testing.assert_close(mixed.rows + mixed.offsets[:, None, None], expected)


def test_a_bias_before_a_batch_norm_gets_a_zero_gradient_without_a_sum() -> None:
    torch.manual_seed(0)
    layer, x = LinearBeforeNorm(3, 5), torch.rand(7, 1, 4, 3)
    upstream = torch.rand(7, 1, 4, 5)  # of no batch norm, so that a summed gradient would be far from zero
    output = layer(x, PassContext())
    (output.rows * upstream).sum().backward()
    assert layer.bias.grad is not None
    torch.testing.assert_close(layer.bias.grad, torch.zeros(5), rtol=0, atol=0)
    expected = torch.einsum("vgrd,vgrc->dc", upstream, x)
    torch.testing.assert_close(layer.weight.grad, expected)
    assert output.left_out is not None
    plain = nn.BatchNorm1d(5, affine=False)
    by_torch = functional.linear(x, layer.weight, layer.bias).flatten(0, 2)
    torch.testing.assert_close(plain(by_torch), plain(output.rows.flatten(0, 2)))  # the norm cancels the bias


@pytest.mark.slow
@given(st.integers(1, 5), st.integers(1, 9))
@settings(deadline=None, max_examples=10)
def test_evaluation_does_not_depend_on_the_rest_of_the_batch(count: int, frames: int) -> None:
    torch.manual_seed(1)
    encoder = SignEncoder(SMALL.encoder).eval()
    points, visible = clips(count, frames)
    with torch.no_grad():
        together = encoder(points, visible)
        alone = [encoder(points[i : i + 1], visible[i : i + 1]) for i in range(count)]
    for space in ("fused", "hand", "trunk"):
        separate = torch.cat([getattr(features, space) for features in alone])
        torch.testing.assert_close(getattr(together, space), separate, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_segments", [1, 2])
def test_a_hidden_hand_is_masked_in_the_pooling(num_segments: int) -> None:
    torch.manual_seed(0)
    pool, tokens = pooling(4, num_segments=num_segments), torch.rand(2, 2, 3, 4)
    visible = torch.tensor([[[True] * 3, [False] * 3]] * 2)
    changed = tokens.clone()
    changed[:, 1] = 100.0
    torch.testing.assert_close(pool(tokens, visible), pool(changed, visible))


def test_segments_depend_on_order() -> None:
    torch.manual_seed(0)
    tokens = torch.rand(1, 2, 6, 4)
    assert_same = torch.testing.assert_close
    whole, halves = pooling(4, num_segments=1), pooling(4, num_segments=2)
    assert_same(whole(tokens), whole(tokens.flip(2)))
    assert not torch.allclose(halves(tokens), halves(tokens.flip(2)))
    within = tokens[:, :, [2, 0, 1, 5, 4, 3]]
    assert_same(halves(tokens), halves(within))


def test_the_repaired_trunk_links_both_arms_to_the_nose() -> None:
    released, repaired = pooled_adjacency(TRUNK_PART), pooled_adjacency(REPAIRED_TRUNK_PART)
    left, right, nose = 0, 1, 2
    assert released[:, nose, :2].sum() == released[:, :2, nose].sum() == 0
    assert (repaired.sum(axis=0)[nose, [left, right]] > 0).all()
    np.testing.assert_allclose(repaired.sum(axis=(0, 1)), 1, rtol=1e-6)
    np.testing.assert_allclose(repaired[:, :, left][:, [1, 0, 2]], repaired[:, :, right], rtol=1e-6)


def test_a_clip_without_any_visible_hand_is_defined(encoder: SignEncoder) -> None:
    points, _ = clips(3)
    features = encoder.eval()(points, torch.zeros(3, 7, 2, dtype=torch.bool))
    assert torch.isfinite(features.fused).all()


def test_training_batches_with_no_or_frozen_hands_give_finite_gradients(encoder: SignEncoder) -> None:
    points = torch.zeros(3, 7, 49, 2)
    encoder.train()(
        points, torch.zeros(3, 7, 2, dtype=torch.bool), PassContext(seed=torch.tensor(1))
    ).fused.sum().backward()
    gradients = [parameter.grad for parameter in encoder.parameters()]
    assert all(gradient is None or torch.isfinite(gradient).all() for gradient in gradients)


def test_each_hand_has_batch_statistics_of_its_own(encoder: SignEncoder) -> None:
    points, visible = clips(4)
    seen = encoder.hand_network.input_norm.num_batches_tracked.item()
    encoder.train()(points, visible, PassContext(seed=torch.tensor(1)))
    assert encoder.hand_network.input_norm.num_batches_tracked.item() == seen + 2


@pytest.mark.parametrize("engine", ["plain", "native"])
def test_a_folded_encoder_computes_the_same(encoder: SignEncoder, engine: str) -> None:
    points, visible = clips(4)
    for _ in range(3):  # statistics that are not those of a fresh network
        encoder.train()(points, visible, PassContext(seed=torch.tensor(1)))
    context = PassContext(native=native_library() if engine == "native" else None)
    with torch.inference_mode():
        expected = encoder.eval()(points, visible)
        features = folded(encoder)(points, visible, context)
    for space in ("fused", "hand", "trunk"):
        torch.testing.assert_close(getattr(features, space), getattr(expected, space), rtol=1e-4, atol=1e-5)


def test_a_folded_encoder_computes_nearly_the_same_in_bf16(encoder: SignEncoder) -> None:
    points, visible = clips(4)
    encoder.train()(points, visible, PassContext(seed=torch.tensor(1)))
    with torch.inference_mode():
        expected = encoder.eval()(points, visible)
        rounded = folded(encoder, dtype=torch.bfloat16)
        features = rounded(points, visible, PassContext(dtype=torch.bfloat16))
    for space in ("fused", "hand", "trunk"):
        similar = torch.cosine_similarity(getattr(features, space), getattr(expected, space))
        assert similar.min() > 0.99, space


def test_dropout_of_a_clip_does_not_depend_on_which_rank_has_it() -> None:
    torch.manual_seed(0)
    block = TransformerBlock(8, num_attention_heads=2, feed_forward_width=8, dropout=0.5).train()
    number_places(block)
    tokens = torch.rand(5, 4, 8)
    context = PassContext(seed=torch.tensor(3)).for_clips(num_frames=4)
    whole = block(tokens, context)
    second_rank = block(tokens[2:], replace(context, first_clip=2))
    torch.testing.assert_close(second_rank, whole[2:])
    assert not torch.allclose(block(tokens[2:], context), whole[2:])


def test_native_kernels_train_the_repaired_network_alike() -> None:
    points, visible = clips(4)
    gradients = []
    for native in (None, native_library()):
        torch.manual_seed(1)
        encoder = SignEncoder(REPAIRED.encoder).train()
        context = PassContext(seed=torch.tensor(1), native=native)
        encoder(points, visible, context).fused.square().sum().backward()
        gradients.append({name: each.grad for name, each in encoder.named_parameters()})
    for name, plain in gradients[0].items():
        assert plain is not None, name
        torch.testing.assert_close(gradients[1][name], plain, rtol=1e-3, atol=1e-4)
