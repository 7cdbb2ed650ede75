"""Output of a format reader: normalised clips, and the import report: skipped clips, notes and findings."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from core.corpora.findings import Evidence, FindingKind
from core.corpora.readers.untrusted.naming import escaped
from core.pose.clip import Clip
from core.pose.skeleton import LEFT_HAND, RIGHT_HAND

NUM_EXAMPLES = 20
"""Skipped clips that a report names as examples; all are counted."""
PARTS = ("right hand", "left hand", "both hands", "body")
NUM_RATES = 12
"""Most common frame rates that a report lists; the others are summed up as `others`."""


def grouped(examples: Sequence[str]) -> list[str]:
    """Say each reason once. An example is `CLIP: what is wrong`, which may name the clip's file again."""
    groups: dict[str, list[str]] = {}
    for example in examples:
        name, _, wrong = example.partition(": ")
        groups.setdefault(wrong.replace(f"{name}.", ".", 1), []).append(example)
    return [
        first.replace(": ", f" and {len(more)} more: ", 1) if more else first
        for first, *more in groups.values()
    ]


@dataclass(frozen=True)
class SourceClip:
    """A normalised clip and its metadata; None where the source does not state a value."""

    clip: Clip
    name: str
    label: str | None = None
    signer: str | None = None
    session: str | None = None
    split: str | None = None


@dataclass
class ReadReport:
    """Import report: clips and frames read and skipped, reasons, and assumptions made.

    * `frames_subsampled`: frames dropped by the stride of long videos.
    * `frames_without_hands`: frames dropped because neither hand is visible.
    * `frames_missing`: gaps in the source's own frame numbers.
    * `frames_of_several_people`: frames with several people, of which one was read.
    * `lengths`: for each clip read, its number of frames in the source.
    * `seconds`: durations of the clips whose frame rate the source states.
    * `parts_seen`: clips in which the right hand, the left hand or both are seen, and clips with a body.
    * `evidence`: what checks found in some of the clips, by code.
    * `file_digests`: SHA-256 of files that were read whole; not part of the JSON object.
    * `display`: function applied to all texts, to replace file paths.
    """

    clips_read: int = 0
    frames_kept: int = 0
    frames_subsampled: int = 0
    frames_without_hands: int = 0
    frames_of_several_people: int = 0
    frames_missing: int = 0
    lengths: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    frame_rates: Counter[float] = field(default_factory=Counter)
    parts_seen: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    file_digests: dict[Path, bytes] = field(default_factory=dict)
    display: Callable[[str], str] = str

    def skip(self, name: str, reason: str, detail: str = "") -> None:
        """Count a clip that cannot be used, and keep the first ones as examples."""
        self.skipped[reason] += 1
        if len(self.examples) < NUM_EXAMPLES:
            self.examples.append(self._display_text(f"{name}: {detail or reason}"))

    def measure(self, num_frames: int, frame_rate: float | None) -> None:
        """Count the frames of a clip that was read, and its duration if its frame rate is known."""
        self.lengths.append(num_frames)
        if frame_rate is not None:
            self.frame_rates[round(frame_rate, 3)] += 1
            self.seconds.append(num_frames / frame_rate)

    def see(self, clip: Clip) -> None:
        """Count the parts that are seen in a clip."""
        right, left = (bool(clip.visible[:, hand].any()) for hand in (RIGHT_HAND, LEFT_HAND))
        seen = (right, left, right and left, clip.has_trunk)
        self.parts_seen.update(part for part, is_seen in zip(PARTS, seen, strict=True) if is_seen)

    def note(self, sentence: str) -> None:
        """Add a note on an assumption made or data ignored, unless the report has it already."""
        if (text := self._display_text(sentence)) not in self.notes:
            self.notes.append(text)

    def find(self, kind: FindingKind, example: str, *, holds: bool = True) -> None:
        """Count a clip for a finding, or against it. `example` names the clip and what was seen."""
        examples = [self._display_text(example)] if holds else []
        self._add_evidence(Evidence(kind, int(holds), int(not holds), examples))

    def find_many(self, found: Evidence) -> None:
        """Add what was found in several clips."""
        self._add_evidence(replace(found, examples=[self._display_text(each) for each in found.examples]))

    def findings(self) -> list[Evidence]:
        """The findings that are reported."""
        return [found for found in self.evidence.values() if found.is_reported]

    def all_notes(self) -> list[str]:
        """Return the notes, followed by the messages of the findings."""
        return [*self.notes, *(found.message for found in self.findings())]

    def add(self, later: "ReadReport") -> None:
        """Add the report of the following clips."""
        self.clips_read += later.clips_read
        self.frames_kept += later.frames_kept
        self.frames_subsampled += later.frames_subsampled
        self.frames_without_hands += later.frames_without_hands
        self.frames_of_several_people += later.frames_of_several_people
        self.frames_missing += later.frames_missing
        self.lengths.extend(later.lengths)
        self.seconds.extend(later.seconds)
        self.frame_rates.update(later.frame_rates)
        self.parts_seen.update(later.parts_seen)
        self.skipped.update(later.skipped)
        self.examples.extend(map(self._display_text, later.examples[: NUM_EXAMPLES - len(self.examples)]))
        self.file_digests.update(later.file_digests)
        for sentence in later.notes:
            self.note(sentence)
        for found in later.evidence.values():
            self._add_evidence(found)

    @property
    def num_skipped(self) -> int:
        """Number of clips skipped, for any reason."""
        return sum(self.skipped.values())

    def as_json(self) -> dict[str, object]:
        """Return the report as a JSON object."""
        return {
            "clips_read": self.clips_read,
            "clips_skipped": self.num_skipped,
            "clips_without_body": self.clips_read - self.parts_seen["body"],
            "frames_kept": self.frames_kept,
            "frames_subsampled": self.frames_subsampled,
            "frames_without_hands": self.frames_without_hands,
            "frames_of_several_people": self.frames_of_several_people,
            "frames_missing": self.frames_missing,
            "frames_per_clip": _spread(self.lengths),
            "seconds": _spread(self.seconds),
            "frame_rates": self._rates(),
            "parts_seen": {part: self.parts_seen[part] for part in PARTS},
            "skipped": dict(self.skipped),
            "examples": list(self.examples),
            "notes": list(self.notes),
            "findings": [found.as_json(self.clips_read) for found in self.findings()],
        }

    def _display_text(self, sentence: str) -> str:
        """Apply `display`, and escape undecodable bytes of file names, which JSON cannot hold."""
        return escaped(self.display(sentence))

    def _add_evidence(self, more: Evidence) -> None:
        self.evidence.setdefault(more.kind.code, Evidence(more.kind)).add(more)

    def _rates(self) -> dict[str, int]:
        """Number of clips by frame rate."""
        commonest = sorted(self.frame_rates.most_common(NUM_RATES))
        rates = {f"{rate:g}": count for rate, count in commonest}
        others = self.frame_rates.total() - sum(rates.values())
        unknown = len(self.lengths) - len(self.seconds)
        return rates | ({"others": others} if others else {}) | ({"unknown": unknown} if unknown else {})


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    """Total, minimum, median and maximum of the known values; None if there are none."""
    if not values:
        return None
    numbers = {
        "total": sum(values),
        "shortest": min(values),
        "median": median(values),
        "longest": max(values),
    }
    return {name: round(number, 3) for name, number in numbers.items()}
