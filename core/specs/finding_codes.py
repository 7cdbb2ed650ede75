"""The codes of what an import may find, which a specification can accept."""

from typing import Literal, get_args

from core.specs.near_names import hint

FindingCode = Literal[
    "points-outside-frame",
    "points-in-a-corner",
    "unbounded-confidences",
    "not-upright",
    "swapped-sides",
    "mirrored-frames",
    "missing-value-names",
    "exchanged-hands",
    "hands-off-arms",
    "other-part-order",
    "similar-names",
    "identical-clips",
    "gloss-named-like-split",
    "default-frame-size",
    "other-frame-size",
    "exchanged-frame-size",
    "exchanged-axes",
    "people-off-centre",
    "confidences-out-of-range",
    "points-at-zero",
    "points-not-numbers",
    "still-points",
    "repeated-frames",
    "odd-frame-rate",
    "jumps",
    "keypoints-from-one",
    "read-unlike-encoder",
]
"""Codes of findings (docs/reference/findings.md)."""


def unknown_code(word: str, *, option: str) -> str | None:
    """Say what is wrong with a word that is no code of a finding; None if it is one. `option` takes it."""
    known = get_args(FindingCode)
    if word in known:
        return None
    parts = [part.strip() for part in word.split(",")]
    if len(parts) > 1:
        return f"{word!r} is {len(parts)} codes; repeat the option: {option} {f' {option} '.join(parts)}"
    return f"There is no finding {word!r}.{hint(word, known, listed_by='docs/reference/findings.md')}"
