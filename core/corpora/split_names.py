"""Split names of sources, and the canonical names train, val and test."""

import re

TRAIN, VAL, TEST = "train", "val", "test"

SPLIT_NAMES = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VAL,
    "valid": VAL,
    "validation": VAL,
    "dev": VAL,
    "development": VAL,
    "test": TEST,
    "testing": TEST,
}
"""Canonical name by the source's name in lower case."""
_SET = re.compile(r"[ _-]?(?:set|split)$")


def canonical_split_name(name: str) -> str:
    """Return the canonical name of a split, ignoring case; unknown names are returned unchanged."""
    return SPLIT_NAMES.get(_without_set(name), name)


def is_split_name(name: str) -> bool:
    """Whether a name is one of the usual names of a split, ignoring case."""
    return _without_set(name) in SPLIT_NAMES


def _without_set(name: str) -> str:
    """Return a name in lower case, without the word `set` at its end: `Test set`, `test_set`, `testset`."""
    return _SET.sub("", name.casefold())
