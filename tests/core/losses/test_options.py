"""Objectives beside the paper's: neighbours as positives, prototypes, hidden hands."""

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from core.losses.hidden_hands import hidden_hands_error
from core.losses.info_nce import NEVER, info_nce, nearest_key_nce
from core.losses.prototypes import prototype_prediction
from core.specs.pretraining import PretrainConfig
from tests.core.small import SMALL


def unit(*shape: int, seed: int) -> torch.Tensor:
    return functional.normalize(torch.randn(shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_the_nearest_past_key_is_the_positive_and_no_negative() -> None:
    queries, keys, past = unit(5, 8, seed=0), unit(5, 8, seed=1), unit(20, 8, seed=2)
    by_query = queries @ past.T
    expected = []
    for query, key in zip(queries, keys, strict=True):
        nearest = int((past @ key).argmax())
        others = torch.cat([past[:nearest], past[nearest + 1 :]])
        expected.append(info_nce((query @ past[nearest])[None], (query @ others.T)[None], temperature=0.2))
    found = nearest_key_nce(keys, past, by_query, temperature=0.2)
    torch.testing.assert_close(found, torch.stack(expected).mean())


def test_a_key_that_is_not_there_is_no_positive() -> None:
    keys, past = unit(1, 8, seed=0), torch.cat([-unit(1, 8, seed=0), torch.zeros(1, 8)])
    by_query = torch.tensor([[0.5, NEVER]])  # the second has no trunk; it is nearer by its zeros
    assert nearest_key_nce(keys, past, by_query, temperature=0.2).item() == pytest.approx(0.0, abs=1e-6)


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
