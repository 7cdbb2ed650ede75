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
]
"""Codes of findings (docs/reference/findings.md)."""
