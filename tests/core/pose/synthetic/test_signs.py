"""The lexicon: different signs that share their parameters."""

from dataclasses import fields, replace
from itertools import combinations

import pytest

from core.pose.synthetic.signs import Sign, draw_lexicon

PARAMETERS = (
    ("start_shape", "end_shape"),
    ("location",),
    ("path", "direction", "repeats"),
    ("start_orientation", "end_orientation"),
    ("hands",),
)


def _differing_parameters(one: Sign, other: Sign) -> int:
    return sum(any(getattr(one, name) != getattr(other, name) for name in names) for names in PARAMETERS)


def test_parameters_cover_every_field() -> None:
    assert {name for names in PARAMETERS for name in names} == {field.name for field in fields(Sign)}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_signs_differ_and_many_are_minimal_pairs(seed: int) -> None:
    lexicon = draw_lexicon(20, seed=seed)
    assert len(set(lexicon)) == 20
    differences = [_differing_parameters(*pair) for pair in combinations(lexicon, 2)]
    assert min(differences) == 1
    assert differences.count(1) >= 5
    assert differences.count(5) + differences.count(4) > len(differences) // 2


def test_a_larger_lexicon_begins_with_the_smaller_one() -> None:
    assert draw_lexicon(50, seed=3)[:7] == draw_lexicon(7, seed=3)
    assert draw_lexicon(7, seed=3) != draw_lexicon(7, seed=4)


def test_no_two_signs_differ_only_in_what_cannot_be_seen() -> None:
    lexicon = draw_lexicon(400, seed=0)
    held = [sign for sign in lexicon if sign.path == "hold"]
    assert held
    assert all(sign.direction == "up" for sign in held)
    still = [
        sign
        for sign in held
        if sign.start_shape == sign.end_shape and sign.start_orientation == sign.end_orientation
    ]
    assert still
    assert all(sign.repeats == 1 and sign.hands != "alternating" for sign in still)
    assert len({replace(sign, direction="up") for sign in held}) == len(held)
