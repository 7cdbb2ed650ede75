"""The losses against closed forms and against a slow, literal NumPy reference."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from core.losses.consistency import channel_consistency, hand_trunk_consistency
from core.losses.info_nce import info_nce
from core.losses.knowledge_transfer import knowledge_transfer
from core.losses.neighbours import neighbour_divergence
from core.specs.pretraining import NeighbourConfig
from tests.references import losses as reference

sizes = st.tuples(st.integers(1, 6), st.integers(1, 12), st.integers(2, 9), st.integers(0, 2**31))


def unit(count: int, width: int, generator: torch.Generator) -> torch.Tensor:
    return functional.normalize(torch.randn(count, width, generator=generator, dtype=torch.float64), dim=1)


@given(sizes)
@settings(deadline=None, max_examples=40)
def test_info_nce_is_the_literal_one(size: tuple[int, int, int, int]) -> None:
    batch, past, width, seed = size
    generator = torch.Generator().manual_seed(seed)
    queries, keys, negatives = (unit(n, width, generator) for n in (batch, batch, past))
    ours = info_nce((queries * keys).sum(1), queries @ negatives.T, temperature=0.2)
    literal = reference.info_nce(queries.numpy(), keys.numpy(), negatives.numpy(), 0.2)
    assert ours.item() == pytest.approx(literal, rel=1e-9)


def test_info_nce_of_indistinguishable_keys_is_log_of_their_number() -> None:
    loss = info_nce(torch.zeros(3), torch.zeros(3, 7), temperature=0.07)
    assert loss.item() == pytest.approx(np.log(8), rel=1e-6)


@given(sizes, st.floats(0.05, 1), st.floats(0.05, 1))
@settings(deadline=None, max_examples=40)
def test_neighbour_divergence_is_the_literal_one(
    size: tuple[int, int, int, int], teacher_t: float, student_t: float
) -> None:
    batch, past, _, seed = size
    generator = torch.Generator().manual_seed(seed)
    teacher, student = (torch.rand(batch, past, generator=generator, dtype=torch.float64) for _ in range(2))
    config = NeighbourConfig(
        num_neighbours=1 + seed % past, teacher_temperature=teacher_t, student_temperature=student_t
    )
    ours = neighbour_divergence(teacher, student, config)
    literal = reference.neighbour_divergence(
        teacher.numpy(), student.numpy(), config.num_neighbours, teacher_t, student_t
    )
    assert ours.item() == pytest.approx(literal, rel=1e-9, abs=1e-12)


def test_a_student_that_agrees_costs_nothing_and_teachers_get_no_gradient() -> None:
    seen = torch.rand(4, 10, requires_grad=True)
    student = (seen.detach() * 2).requires_grad_()
    config = NeighbourConfig(num_neighbours=5, teacher_temperature=0.05, student_temperature=0.1)
    loss = neighbour_divergence(seen, student, config)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert seen.grad is None
    assert student.grad is not None


def test_both_directions_count_once_each() -> None:
    config = NeighbourConfig(num_neighbours=3)
    a, b, c, d = (torch.rand(2, 6) for _ in range(4))
    both = neighbour_divergence(c, b, config) + neighbour_divergence(d, a, config)
    parts = hand_trunk_consistency({"hand": a, "trunk": b}, {"hand": c, "trunk": d}, config)
    streams = knowledge_transfer({"joint": a, "motion": b}, {"joint": c, "motion": d}, config)
    torch.testing.assert_close(parts, both)
    torch.testing.assert_close(streams, both)


def test_channel_consistency_is_the_divergence_of_softmaxes_both_ways() -> None:
    generator = torch.Generator().manual_seed(0)
    queries, keys = (
        {part: unit(5, 7, generator).requires_grad_() for part in ("hand", "trunk")} for _ in range(2)
    )
    config = NeighbourConfig(num_neighbours=1, teacher_temperature=0.1, student_temperature=0.2)
    loss = channel_consistency(queries, keys, config)
    expected = 0.0
    for teacher, student in (("hand", "trunk"), ("trunk", "hand")):
        p = np.exp(keys[teacher].detach().numpy() / 0.1)
        q = np.exp(queries[student].detach().numpy() / 0.2)
        p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
        expected += (p * np.log(p / q)).sum(1).mean()
    assert loss.item() == pytest.approx(expected, rel=1e-9)
    loss.backward()
    assert all(each.grad is None for each in keys.values())
