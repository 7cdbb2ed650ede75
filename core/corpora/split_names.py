"""What sources call their splits, and what these are called here."""

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
"""In small letters."""


def split_named(name: str) -> str:
    """Our name of a split, whatever its capitals; a split of another name keeps it."""
    return SPLIT_NAMES.get(name.casefold(), name)
