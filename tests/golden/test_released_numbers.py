"""Our network computes what the released code computes: graphs, stages, losses, gradients, one step."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from core.augment.views import View
from core.contrast.stc import SpatialTemporalConsistency
from core.encoders.adjacency import joint_adjacency, pooled_adjacency
from core.encoders.pass_context import PassContext
from core.kernels.library import native_library
from core.pose.skeleton import HAND, TRUNK_PART, PartSkeleton
from core.pose.streams import STREAMS, streams
from tests.golden.conftest import Golden, golden_config
from tests.golden.released_training import from_released, released_names


def assert_close(ours: torch.Tensor, released: torch.Tensor, *, relative: float) -> None:
    """Within `relative` of the released tensor's scale."""
    torch.testing.assert_close(ours, released, rtol=0, atol=relative * float(released.abs().max()))


@pytest.mark.parametrize("part", [HAND, TRUNK_PART], ids=lambda part: part.name)
def test_graphs_are_the_released_ones(golden: Golden, part: PartSkeleton) -> None:
    torch.testing.assert_close(torch.from_numpy(joint_adjacency(part)), golden.array(f"graph/{part.name}"))
    torch.testing.assert_close(
        torch.from_numpy(pooled_adjacency(part)), golden.array(f"graph/{part.name}_pooled")
    )


@pytest.fixture(params=["plain", pytest.param("native", marks=pytest.mark.slow)])
def context(request: pytest.FixtureRequest) -> PassContext:
    return PassContext(native=native_library() if request.param == "native" else None)


@pytest.mark.parametrize("stream", STREAMS)
def test_every_stage_in_evaluation_mode(
    golden: Golden,
    model: SpatialTemporalConsistency,
    query_view: View,
    stream: str,
    context: PassContext,
) -> None:
    network = model.query[stream].eval()
    encoder = network.encoder
    seen: dict[str, list[torch.Tensor]] = {}
    for name in ("hand_network", "trunk_network", "hand_transformer", "trunk_transformer"):
        getattr(encoder, name).register_forward_hook(recorder(seen, name))
    with torch.no_grad():
        features = encoder(
            streams(query_view.points, query_view.hand_visible, model.config)[stream],
            query_view.hand_visible,
            context,
        )
        heads = {space: head(getattr(features, space)) for space, head in network.projection.heads.items()}
    stages = {
        "part_hand_right": seen["hand_network"][0][0],
        "part_hand_left": seen["hand_network"][0][1],
        "part_trunk": seen["trunk_network"][0][0],
        "transformer_hand": seen["hand_transformer"][0],
        "transformer_trunk": seen["trunk_transformer"][0],
        **{f"feature/{space}": getattr(features, space) for space in heads},
        **{f"projection/{space}": projected for space, projected in heads.items()},
    }
    for name, ours in stages.items():
        assert_close(ours, golden.array(f"eval/{stream}/{name}"), relative=1e-4)


def recorder(seen: dict[str, list[torch.Tensor]], name: str) -> Callable[..., None]:
    def record(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
        seen.setdefault(name, []).append(output)

    return record


@pytest.mark.slow
def test_one_training_step(
    golden: Golden,
    model: SpatialTemporalConsistency,
    query_view: View,
    key_view: View,
    context: PassContext,
    exact_norms: dict[str, float],
) -> None:
    optimiser = torch.optim.SGD(model.query.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    losses = model.train()(query_view, key_view, context)
    total = torch.stack(list(losses.values())).sum()
    total.backward()

    assert_losses(golden, losses, total)
    assert_gradients(golden, model, exact_norms)
    optimiser.step()
    assert_weights_after_step(golden, model)


def assert_losses(golden: Golden, losses: dict[str, torch.Tensor], total: torch.Tensor) -> None:
    ours = {name.removeprefix("instance/"): loss for name, loss in losses.items()}
    ours["consistency"] = ours.pop("consistency/joint") + ours.pop("consistency/motion")
    ours["knowledge_transfer"] = ours.pop("transfer")
    ours["total"] = total
    assert len(ours) == 9
    for name, loss in ours.items():
        assert loss.item() == pytest.approx(golden.array(f"train/loss/{name}").item(), rel=1e-4), name


@pytest.fixture(scope="module")
def exact_norms(golden: Golden, query_view: View, key_view: View) -> dict[str, float]:
    """Of the gradients of the same step in float64."""
    exact = SpatialTemporalConsistency(golden_config(golden.facts)).double()
    exact.load_state_dict(from_released(golden.state, exact.state_dict()))
    torch.stack(list(exact.train()(query_view, key_view).values())).sum().backward()
    return gradient_norms(exact)


def assert_gradients(
    golden: Golden, model: SpatialTemporalConsistency, exact_norms: dict[str, float]
) -> None:
    """Norms within a thousandth, give or take what rounding to float32 does to our own.

    The exact ones tell how much that is, and must themselves be within a thousandth: they differ from the
    released numbers by their rounding alone.
    """
    rounded_norms = gradient_norms(model)
    assert rounded_norms.keys() == golden.facts["grad_norm"].keys()
    for name, expected in golden.facts["grad_norm"].items():
        rounding = abs(rounded_norms[name] - exact_norms[name])
        assert exact_norms[name] == pytest.approx(expected, rel=1e-3, abs=1e-5), name
        assert rounded_norms[name] == pytest.approx(expected, abs=1e-3 * expected + rounding + 1e-5), name
        assert rounding < 2e-3 * expected + 1e-5, name


def gradient_norms(model: SpatialTemporalConsistency) -> dict[str, float]:
    names = released_names(model.state_dict())
    gradients = {names[f"query.{n}"]: p.grad for n, p in model.query.named_parameters()}
    return {name: float(gradient.norm()) for name, gradient in gradients.items() if gradient is not None}


def assert_weights_after_step(golden: Golden, model: SpatialTemporalConsistency) -> None:
    """Gradients agree to a thousandth, so weights do; a sum gathers the noise of a million entries."""
    expected, state = golden.facts["after_step_sum_and_norm"], model.state_dict()
    ours = {released: state[name].double() for name, released in released_names(state).items()}
    assert expected.keys() <= ours.keys()
    for name, (total, norm) in expected.items():
        assert ours[name].norm().item() == pytest.approx(norm, rel=1e-3), name
        assert ours[name].sum().item() == pytest.approx(total, abs=5e-3 * norm), name


def test_enqueued_keys(
    golden: Golden, model: SpatialTemporalConsistency, query_view: View, key_view: View
) -> None:
    model.train()(query_view, key_view)
    state = model.state_dict()
    for name, released in released_names(state).items():
        if name.startswith("queues."):
            expected = golden.array(f"train/enqueued/{released}")
            assert_close(state[name][: len(expected)], expected, relative=1e-4)
            torch.testing.assert_close(
                state[name][len(expected) :], golden.state[released].T[len(expected) :]
            )


@pytest.fixture(scope="module")
def two_clips(query_view: View, key_view: View) -> tuple[View, View]:
    """Multiplying bf16 takes long on processors without it."""
    return View(query_view.points[:2], query_view.hand_visible[:2]), View(
        key_view.points[:2], key_view.hand_visible[:2]
    )


@pytest.fixture(scope="module")
def fp32_gradient(golden: Golden, two_clips: tuple[View, View]) -> torch.Tensor:
    return gradient_of(golden, two_clips, PassContext())


@pytest.mark.slow
@pytest.mark.slowest
@pytest.mark.parametrize("native", [False, True], ids=["plain", "native"])
def test_gradients_in_bf16_point_where_those_in_fp32_do(
    golden: Golden, two_clips: tuple[View, View], fp32_gradient: torch.Tensor, native: bool
) -> None:
    context = PassContext(dtype=torch.bfloat16, native=native_library() if native else None)
    rounded = gradient_of(golden, two_clips, context)
    # 0.87 for two clips, 0.90 for four: more average the noise away
    assert torch.cosine_similarity(rounded, fp32_gradient, dim=0) > 0.8


def gradient_of(golden: Golden, views: tuple[View, View], context: PassContext) -> torch.Tensor:
    """All of it in one row."""
    network = SpatialTemporalConsistency(golden_config(golden.facts))
    network.load_state_dict(from_released(golden.state, network.state_dict()))
    torch.stack(list(network.train()(*views, context).values())).sum().backward()
    return torch.cat([p.grad.flatten() for p in network.query.parameters() if p.grad is not None])
