"""The codes of what an import may find, which a specification can accept."""

from typing import Literal

FindingCode = Literal[
    "points-outside-frame",
    "points-in-a-corner",
    "unbounded-confidences",
    "swapped-sides",
    "mirrored-frames",
    "exchanged-hands",
    "hands-off-arms",
    "other-part-order",
    "similar-names",
    "gloss-named-like-split",
    "default-frame-size",
    "other-frame-size",
    "exchanged-frame-size",
    "confidences-out-of-range",
    "points-at-zero",
    "points-not-numbers",
    "still-points",
    "repeated-frames",
    "odd-frame-rate",
    "jumps",
    "read-unlike-encoder",
]
"""Codes of findings (docs/reference/findings.md)."""
