"""Hints for names that do not exist."""

import pytest

from core.specs.near_names import close_names, hint

MANY = [f"corpus {number}" for number in range(50)]


@pytest.mark.parametrize(
    ("word", "known", "said"),
    [
        ("sings", ["signs", "other"], " Did you mean 'signs'?"),
        ("SIGNS", ["signs", "other"], " Did you mean 'signs'?"),
        ("signs", ["signs1", "signs2", "other"], " Did you mean 'signs2' or 'signs1'?"),
        ("nothing", ["signs", "other"], " There are: signs, other."),
        ("nothing", [], ""),
        ("zzz", MANY, " There are 50, such as corpus 0, corpus 1"),
    ],
)
def test_a_hint_names_close_names_or_all(word: str, known: list[str], said: str) -> None:
    assert hint(word, known).startswith(said)


def test_a_list_may_be_wanted_and_a_long_one_names_what_lists_all() -> None:
    assert hint("smok", ["stc", "smoke"], list_all=True) == " There are: stc, smoke. Did you mean 'smoke'?"
    assert hint("zzz", MANY, listed_by="`signforge corpora list`").endswith(
        "; `signforge corpora list` lists them."
    )


def test_close_names_are_at_most_three() -> None:
    assert len(close_names("corpus", MANY)) == 3
