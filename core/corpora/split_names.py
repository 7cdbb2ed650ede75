"""Split names of sources, and the canonical names train, val and test."""

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


def canonical_split_name(name: str) -> str:
    """Return the canonical name of a split, ignoring case; unknown names are returned unchanged."""
    return SPLIT_NAMES.get(name.casefold(), name)


def is_split_name(name: str) -> bool:
    """Whether a name is one of the usual names of a split, ignoring case."""
    return name.casefold() in SPLIT_NAMES
