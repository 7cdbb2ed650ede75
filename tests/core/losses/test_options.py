"""Objectives beside the paper's: neighbours as positives, prototypes, hidden hands."""

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from core.losses.hidden_hands import hidden_hands_error
from core.losses.info_nce import NEVER, nearest_key_nce
from core.losses.prototypes import ASSIGNING_TEMPERATURE, PREDICTING_TEMPERATURE, prototype_prediction
from core.specs.pretraining import PretrainConfig
from tests.core.small import SMALL
from tests.references import losses as reference


def unit(*shape: int, seed: int) -> torch.Tensor:
    return functional.normalize(torch.randn(shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_losses_are_those_of_the_slow_references() -> None:
    queries, keys, past = unit(5, 8, seed=0), unit(5, 8, seed=1), unit(20, 8, seed=2)
    near = nearest_key_nce(keys @ past.T, queries @ past.T, temperature=0.2)
    assert near.item() == pytest.approx(
        reference.nearest_key_nce(queries.numpy(), keys.numpy(), past.numpy(), 0.2), rel=1e-5
    )
    places = (queries, keys, past, 3 * unit(6, 8, seed=4), unit(6, 8, seed=5))
    slow = reference.prototype_prediction(
        *(each.numpy() for each in places), ASSIGNING_TEMPERATURE, PREDICTING_TEMPERATURE
    )
    assert prototype_prediction(*places).item() == pytest.approx(slow, rel=1e-5)
    guesses, truth = unit(3, 2, 7, 42, seed=6), unit(3, 2, 7, 42, seed=7)
    asked = torch.rand(3, 7, 2, generator=torch.Generator().manual_seed(8)) < 0.4
    error = hidden_hands_error(guesses, truth, asked).item()
    assert error == pytest.approx(
        reference.hidden_hands_error(guesses.numpy(), truth.numpy(), asked.numpy()), rel=1e-5
    )


def test_a_key_that_is_not_there_is_no_positive() -> None:
    by_key, by_query = torch.tensor([[-1.0, NEVER]]), torch.tensor([[0.5, NEVER]])  # the second has no trunk
    assert nearest_key_nce(by_key, by_query, temperature=0.2).item() == pytest.approx(0.0, abs=1e-6)


def test_the_prototypes_of_the_key_are_predicted_and_all_are_used() -> None:
    prototypes, past = torch.eye(4), unit(64, 4, seed=3)
    keys = torch.eye(4)
    right = prototype_prediction(keys, keys, past, prototypes, prototypes)
    wrong = prototype_prediction(keys.roll(1, dims=0), keys, past, prototypes, prototypes)
    assert right < wrong
    between = functional.normalize(torch.tensor([[1.0, 1.0, 0.0, 0.0]]), dim=1)
    often_first = functional.normalize(
        torch.tensor([[1.0, 0.0, 0.0, 0.0]] * 50 + [[0.0, 1.0, 0.0, 0.0]]), dim=1
    )
    first, second = (
        prototype_prediction(prototypes[i : i + 1], between, often_first, prototypes, prototypes)
        for i in (0, 1)
    )
    assert second < first, "a prototype that many past keys have counts less"


def test_only_hidden_hands_that_were_seen_count() -> None:
    truth = torch.zeros(2, 2, 3, 42)
    asked = torch.zeros(2, 3, 2, dtype=torch.bool)
    guesses = torch.ones(2, 2, 3, 42) * 100
    assert hidden_hands_error(guesses, truth, asked) == 0
    asked[1, 2, 0] = True
    guesses[1, 0, 2] = 0.5
    assert hidden_hands_error(guesses, truth, asked) == pytest.approx(0.25)


def test_predicting_hands_needs_hidden_ones() -> None:
    settings = SMALL.model_dump()
    settings["contrast"]["hidden_hands_weight"] = 1.0
    with pytest.raises(ValidationError, match=r"views\.hidden_hand_frames is 0"):
        PretrainConfig.model_validate(settings)
