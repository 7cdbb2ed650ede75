"""The literal implementation that speed is measured against computes what the released code computes."""

import pytest
import torch

from benchmarks.literal.stc import LiteralSTC, literal_features, literal_optimiser, literal_step
from core.augment.views import View
from core.pose.streams import STREAMS
from core.specs.pretraining import OptimiserConfig
from tests.golden.conftest import Golden, golden_config
from tests.golden.test_released_numbers import assert_close

pytestmark = pytest.mark.slow


@pytest.fixture
def literal(golden: Golden) -> LiteralSTC:
    """Loaded strictly by the released names: nothing is missing and nothing is over."""
    model = LiteralSTC(golden_config(golden.facts))
    model.load_state_dict(golden.state)
    return model


@pytest.mark.parametrize("stream", STREAMS)
def test_features_in_evaluation_mode(
    golden: Golden, literal: LiteralSTC, query_view: View, stream: str
) -> None:
    features = literal_features(literal, stream, query_view.points, query_view.hand_visible)
    for space, feature in features.items():
        assert_close(feature, golden.array(f"eval/{stream}/feature/{space}"), relative=1e-4)


def test_losses_gradients_and_keys(
    golden: Golden, literal: LiteralSTC, query_view: View, key_view: View
) -> None:
    losses = literal.train()(
        query_view.points, query_view.hand_visible, key_view.points, key_view.hand_visible
    )
    torch.stack(list(losses.values())).sum().backward()
    assert len(losses) == 12
    assert_losses(golden, losses)
    assert_gradients(golden, literal)
    assert_enqueued(golden, literal)


def assert_losses(golden: Golden, losses: dict[str, torch.Tensor]) -> None:
    """The golden values have one term for each instance discrimination, and one for every other kind."""
    sums = {"total": 0.0}
    for name, loss in losses.items():
        kind, place = name.split("/", 1)
        term = {"instance": place, "transfer": "knowledge_transfer"}.get(kind, kind)
        sums[term] = sums.get(term, 0.0) + loss.item()
        sums["total"] += loss.item()
    assert len(sums) == 9
    for term, summed in sums.items():
        assert summed == pytest.approx(golden.array(f"train/loss/{term}").item(), rel=1e-4), term


def assert_gradients(golden: Golden, model: LiteralSTC) -> None:
    norms = {name: float(p.grad.norm()) for name, p in model.named_parameters() if p.grad is not None}
    assert norms.keys() == golden.facts["grad_norm"].keys()
    for name, expected in golden.facts["grad_norm"].items():
        assert norms[name] == pytest.approx(expected, rel=1e-3, abs=1e-5), name


def assert_enqueued(golden: Golden, model: LiteralSTC) -> None:
    queues = {name: queue for name, queue in model.named_buffers() if name.startswith("queue")}
    assert len(queues) == 6
    for name, queue in queues.items():
        expected = golden.array(f"train/enqueued/{name}").T
        num_keys = expected.shape[1]
        assert_close(queue[:, :num_keys], expected, relative=1e-4)
        torch.testing.assert_close(queue[:, num_keys:], golden.state[name][:, num_keys:])


def test_weights_after_a_step(golden: Golden, literal: LiteralSTC, query_view: View, key_view: View) -> None:
    loss = literal_step(literal, literal_optimiser(literal, OptimiserConfig()), (query_view, key_view))
    assert loss == pytest.approx(golden.array("train/loss/total").item(), rel=1e-4)
    state = literal.state_dict()
    for name, (total, norm) in golden.facts["after_step_sum_and_norm"].items():
        assert state[name].double().norm().item() == pytest.approx(norm, rel=1e-3), name
        assert state[name].double().sum().item() == pytest.approx(total, abs=5e-3 * norm), name
