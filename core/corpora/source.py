"""What a reader of a source format hands on, and the account it keeps of what it left out."""

from collections import Counter
from dataclasses import dataclass, field

from core.pose.clip import Clip

NUM_EXAMPLES = 20
"""Skipped clips that a report names; it counts them all."""


@dataclass(frozen=True)
class SourceClip:
    """A normalised clip and what its source says about it; None where it says nothing."""

    clip: Clip
    name: str
    label: str | None = None
    signer: str | None = None
    session: str | None = None
    split: str | None = None


@dataclass
class ReadReport:
    """What was read, what was left out and why, and what had to be assumed.

    `frames_subsampled` fell to the stride of long videos, `frames_without_hands` showed neither hand.
    """

    clips_read: int = 0
    frames_kept: int = 0
    frames_subsampled: int = 0
    frames_without_hands: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def skip(self, name: str, reason: str, detail: str = "") -> None:
        """Count a clip that cannot be used, and remember the first few."""
        self.skipped[reason] += 1
        if len(self.examples) < NUM_EXAMPLES:
            self.examples.append(_as_text(f"{name}: {detail or reason}"))

    def note(self, sentence: str) -> None:
        """Say, once, what had to be assumed or was left aside."""
        if _as_text(sentence) not in self.notes:
            self.notes.append(_as_text(sentence))

    def add(self, later: "ReadReport") -> None:
        """Take in the report of the clips that come next."""
        self.clips_read += later.clips_read
        self.frames_kept += later.frames_kept
        self.frames_subsampled += later.frames_subsampled
        self.frames_without_hands += later.frames_without_hands
        self.skipped.update(later.skipped)
        self.examples.extend(later.examples[: NUM_EXAMPLES - len(self.examples)])
        for sentence in later.notes:
            self.note(sentence)

    @property
    def num_skipped(self) -> int:
        """Clips left out, for any reason."""
        return sum(self.skipped.values())

    def as_json(self) -> dict[str, object]:
        """The report as JSON."""
        return {
            "clips_read": self.clips_read,
            "clips_skipped": self.num_skipped,
            "frames_kept": self.frames_kept,
            "frames_subsampled": self.frames_subsampled,
            "frames_without_hands": self.frames_without_hands,
            "skipped": dict(self.skipped),
            "examples": list(self.examples),
            "notes": list(self.notes),
        }


def _as_text(sentence: str) -> str:
    """File names may hold bytes that are no text; JSON may not."""
    return sentence.encode(errors="replace").decode()
