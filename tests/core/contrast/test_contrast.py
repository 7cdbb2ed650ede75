"""Queues, momentum update, loss terms, and which parameters get gradients."""

from collections import deque
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from core.augment.views import View
from core.contrast.key_queue import KeyQueue
from core.contrast.momentum import MomentumUpdate
from core.contrast.stc import SpatialTemporalConsistency
from core.encoders.pass_context import PassContext
from core.encoders.projection import SPACES
from core.losses.knowledge_transfer import knowledge_transfer
from core.pose.streams import STREAMS
from core.specs.pretraining import PretrainConfig
from tests.core.small import REPAIRED, SMALL


@given(st.integers(1, 12), st.lists(st.integers(1, 30), max_size=8))
@settings(deadline=None, max_examples=60)
def test_a_queue_is_a_bounded_deque_for_any_batch_sizes(length: int, batches: list[int]) -> None:
    queue = KeyQueue(length, 2)
    remembered = deque(map(tuple, queue.keys.tolist()), maxlen=length)
    count = 0
    for batch in batches:
        keys = torch.arange(count, count + batch * 2, dtype=torch.float32).view(batch, 2)
        queue.enqueue(keys)
        remembered.extend(map(tuple, keys.tolist()))
        count += batch * 2
    oldest_first = queue.keys.roll(-int(queue.position), dims=0)
    assert list(map(tuple, oldest_first.tolist())) == list(remembered)


@pytest.mark.slow
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6))
@settings(deadline=None, max_examples=15)
def test_queues_of_equal_length_hold_the_same_samples(batches: list[int]) -> None:
    torch.manual_seed(0)
    model, count = SpatialTemporalConsistency(SMALL), 1000
    for batch in batches:
        sample = torch.arange(count, count + batch, dtype=torch.float32)[:, None].expand(batch, 8)
        model._enqueue({stream: {space: sample.clone() for space in SPACES} for stream in STREAMS})
        count += batch
    for pair in ((("joint", "hand"), ("joint", "trunk")), (("joint", "fused"), ("motion", "fused"))):
        first, second = (model.queue(*place).keys[:, 0] for place in pair)
        known = (first >= 1000) | (second >= 1000)
        assert known.sum() == min(count - 1000, len(first))
        torch.testing.assert_close(first[known], second[known])


@pytest.mark.parametrize(("momentum", "expected"), [(0.0, 3.0), (1.0, 1.0), (0.75, 1.5)])
def test_momentum_update(momentum: float, expected: float) -> None:
    query, key = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    nn.init.constant_(query.weight, 3.0)
    query.running_mean.fill_(7.0)
    MomentumUpdate(query, key)(momentum)
    assert key.weight.item() == pytest.approx(expected)
    assert key.running_mean.item() == 0, "buffers stay the key encoder's own"


def views(batch: int = 4) -> tuple[View, View]:
    generator = torch.Generator().manual_seed(0)
    first, second = (
        View(
            torch.rand(batch, 6, 49, 2, generator=generator),
            torch.rand(batch, 6, 2, generator=generator) < 0.7,
        )
        for _ in range(2)
    )
    return first, second


AS_THE_TEXT_SAYS = SMALL.model_copy(
    update={
        "contrast": SMALL.contrast.model_copy(
            update={
                "instance_spaces": ("hand", "trunk"),
                "consistency_between": "channels",
                "transfer_space": "hand_and_trunk",
            }
        )
    }
)
JOINT_ALONE = SMALL.model_copy(update={"encoder": SMALL.encoder.model_copy(update={"streams": ("joint",)})})


WITHOUT_FUSED = JOINT_ALONE.model_copy(update={"contrast": AS_THE_TEXT_SAYS.contrast})


@pytest.mark.slow
@pytest.mark.parametrize("config", [SMALL, REPAIRED, AS_THE_TEXT_SAYS, JOINT_ALONE, WITHOUT_FUSED])
def test_only_query_networks_get_gradients_and_all_their_parameters_do(config: PretrainConfig) -> None:
    torch.manual_seed(0)
    model = SpatialTemporalConsistency(config).train()
    torch.stack(list(model(*views(), PassContext(seed=torch.tensor(1))).values())).sum().backward()
    assert all(parameter.grad is None for parameter in model.key.parameters())
    missing = [name for name, parameter in model.query.named_parameters() if parameter.grad is None]
    assert missing == []


@pytest.mark.slow
def test_there_are_twelve_terms_and_weights_scale_them() -> None:
    torch.manual_seed(0)
    model = SpatialTemporalConsistency(SMALL)
    losses = model.eval()(*views())
    assert len(losses) == len(STREAMS) * len(SPACES) + len(STREAMS) + 1  # pairs of directions are summed
    changed = SMALL.model_copy(
        update={"contrast": SMALL.contrast.model_copy(update={"transfer_weight": 0.0})}
    )
    torch.manual_seed(0)
    weightless = SpatialTemporalConsistency(changed).eval()(*views())
    assert weightless["transfer"].item() == 0
    torch.testing.assert_close(weightless["instance/joint/hand"], losses["instance/joint/hand"])


@pytest.mark.slow
def test_the_terms_of_the_papers_text() -> None:
    torch.manual_seed(0)
    model = SpatialTemporalConsistency(AS_THE_TEXT_SAYS).eval()
    past = {
        stream: {space: model.queue(stream, space).keys.clone() for space in model.spaces}
        for stream in STREAMS
    }
    query_view, key_view = views()
    losses = model(query_view, key_view)
    assert set(losses) == {
        *(f"instance/{stream}/{part}" for stream in STREAMS for part in ("hand", "trunk")),
        *(f"consistency/{stream}" for stream in STREAMS),
        "transfer",
    }
    queries, keys = (
        model._embed(model.query, query_view, PassContext()),
        model._embed(model.key, key_view, PassContext()),
    )
    by_query, by_key = (
        {
            stream: (each[stream]["hand"] + each[stream]["trunk"])
            @ (past[stream]["hand"] + past[stream]["trunk"]).T
            for stream in STREAMS
        }
        for each in (queries, keys)
    )
    torch.testing.assert_close(
        losses["transfer"], knowledge_transfer(by_query, by_key, SMALL.contrast.transfer)
    )


def test_a_single_stream_has_no_transfer_loss() -> None:
    losses = SpatialTemporalConsistency(JOINT_ALONE).eval()(*views())
    assert set(losses) == {*(f"instance/joint/{space}" for space in SPACES), "consistency/joint"}


def test_a_step_enqueues_its_keys_at_the_same_place_everywhere() -> None:
    torch.manual_seed(0)
    model = SpatialTemporalConsistency(SMALL).train()
    before = {name: buffer.clone() for name, buffer in model.queues.named_buffers() if name.endswith("keys")}
    model(*views(batch=3), PassContext(seed=torch.tensor(1)))
    for name, buffer in model.queues.named_buffers():
        if name.endswith("keys"):
            assert (buffer[:3] != before[name][:3]).any()
            torch.testing.assert_close(buffer[3:], before[name][3:])
            torch.testing.assert_close(buffer[:3].norm(dim=1), torch.ones(3))
        else:
            assert buffer.item() == 3


def test_options_add_losses_that_teach_the_network_and_its_heads() -> None:
    torch.manual_seed(0)
    settings = SMALL.model_dump()
    settings["contrast"] |= {"neighbour_share": 0.5, "prototype_weight": 0.5, "hidden_hands_weight": 0.5}
    settings["views"]["hidden_hand_frames"] = 0.5
    model = SpatialTemporalConsistency(PretrainConfig.model_validate(settings))
    query, key = views()
    hidden = torch.zeros_like(query.hand_visible)
    hidden[:, :3] = True
    seed = torch.tensor(1)
    losses = model(replace(query, hidden=hidden), key, PassContext(seed=seed))
    assert {name.split("/")[0] for name in losses} == {
        "instance",
        "consistency",
        "transfer",
        "prototypes",
        "hidden hands",
    }
    torch.stack(list(losses.values())).sum().backward()
    taught = {name for name, each in model.query.named_parameters() if each.grad is not None}
    assert {f"{stream}.guess.weight" for stream in STREAMS} < taught
    assert {f"{stream}.prototypes.fused" for stream in STREAMS} < taught
