"""Data order: steps can be requested in any order, and cost does not depend on the corpus size."""

import numpy as np
import pytest
import torch

from core.training.data_order import DataOrder


def test_steps_in_any_order_are_those_of_a_fresh_start() -> None:
    clips = np.arange(100, 121)
    order = DataOrder(clips, batch_size=5, seed=3)
    steps = np.random.default_rng(0).permutation(20).tolist()
    for step in (*steps, 0, 0, 19):
        np.testing.assert_array_equal(order.batch(step), DataOrder(clips, 5, 3).batch(step))


def test_an_epoch_is_shuffled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: a step of a million clips must not shuffle a million."""
    shuffle, shuffled = torch.randperm, []

    def counted(count: int, *, generator: torch.Generator) -> torch.Tensor:
        shuffled.append(count)
        return shuffle(count, generator=generator)

    monkeypatch.setattr(torch, "randperm", counted)
    order = DataOrder(np.arange(40), batch_size=4, seed=0)
    for step in range(30):
        order.batch(step)
    assert shuffled == [40, 40, 40]
