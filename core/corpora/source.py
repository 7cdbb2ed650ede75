"""What a reader of a source format hands on, and the account it keeps of what it left out."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from core.pose.clip import Clip

NUM_EXAMPLES = 20
"""Skipped clips that a report names; it counts them all."""
NUM_RATES = 12
"""Frame rates that a report lists, the commonest; it counts the others together."""


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
class Tally:
    """How many clips a note is about, and what is said of the first of them.

    It is told where these are at least `least`, and twice as many as those `against` it.
    """

    count: int
    example: str
    against: int = 0
    least: int = 1

    @property
    def is_told(self) -> bool:
        """Whether the note is worth a word."""
        return self.count >= max(self.least, 2 * self.against)


@dataclass
class ReadReport:
    """What was read, what was left out and why, and what had to be assumed.

    `frames_subsampled` fell to the stride of long videos, `frames_without_hands` showed neither hand,
    `frames_missing` are not in the source by its own numbers; of `frames_of_several_people` one person was
    read. `lengths` are the frames that each clip that was read has in its source, `seconds` the durations of
    those whose frame rate the source tells. `tallies` are notes on some of the clips. `shown` changes how
    what is told calls files.
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
    skipped: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)
    shown: Callable[[str], str] = str

    def skip(self, name: str, reason: str, detail: str = "") -> None:
        """Count a clip that cannot be used, and remember the first few."""
        self.skipped[reason] += 1
        if len(self.examples) < NUM_EXAMPLES:
            self.examples.append(self._told(f"{name}: {detail or reason}"))

    def measure(self, num_frames: int, frame_rate: float | None) -> None:
        """Count the frames of a clip that was read, and its duration where its frame rate is known."""
        self.lengths.append(num_frames)
        if frame_rate is not None:
            self.frame_rates[round(frame_rate, 3)] += 1
            self.seconds.append(num_frames / frame_rate)

    def note(self, sentence: str) -> None:
        """Say, once, what had to be assumed or was left aside."""
        if (told := self._told(sentence)) not in self.notes:
            self.notes.append(told)

    def tally(self, note: str, example: str) -> None:
        """Count a clip of which `note` is true, a sentence with `{count}` and `{example}`."""
        self._add_tally(note, Tally(1, self._told(example)))

    def vote(self, note: str, example: str, *, holds: bool, least: int = 1) -> None:
        """Count a clip for or against a `note` that is told where it `holds` of most, and of `least`."""
        self._add_tally(note, Tally(int(holds), self._told(example), int(not holds), least))

    def all_notes(self) -> list[str]:
        """What was assumed or left aside, and what some of the clips have in common."""
        told = {note: tally for note, tally in self.tallies.items() if tally.is_told}
        return [*self.notes, *(note.format(**vars(tally)) for note, tally in told.items())]

    def add(self, later: "ReadReport") -> None:
        """Take in the report of the clips that come next."""
        self.clips_read += later.clips_read
        self.frames_kept += later.frames_kept
        self.frames_subsampled += later.frames_subsampled
        self.frames_without_hands += later.frames_without_hands
        self.frames_of_several_people += later.frames_of_several_people
        self.frames_missing += later.frames_missing
        self.lengths.extend(later.lengths)
        self.seconds.extend(later.seconds)
        self.frame_rates.update(later.frame_rates)
        self.skipped.update(later.skipped)
        self.examples.extend(map(self._told, later.examples[: NUM_EXAMPLES - len(self.examples)]))
        for sentence in later.notes:
            self.note(sentence)
        for note, tally in later.tallies.items():
            self._add_tally(note, tally)

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
            "frames_of_several_people": self.frames_of_several_people,
            "frames_missing": self.frames_missing,
            "frames_per_clip": _spread(self.lengths),
            "seconds": _spread(self.seconds),
            "frame_rates": self._rates(),
            "skipped": dict(self.skipped),
            "examples": list(self.examples),
            "notes": self.all_notes(),
        }

    def _told(self, sentence: str) -> str:
        """File names may hold bytes that are no text; JSON may not."""
        return self.shown(sentence).encode(errors="replace").decode()

    def _add_tally(self, note: str, more: Tally) -> None:
        found = self.tallies.setdefault(note, Tally(0, more.example, least=more.least))
        found.example = found.example if found.count else more.example
        found.count += more.count
        found.against += more.against

    def _rates(self) -> dict[str, int]:
        """Clips by frame rate."""
        commonest = sorted(self.frame_rates.most_common(NUM_RATES))
        rates = {f"{rate:g}": count for rate, count in commonest}
        others = self.frame_rates.total() - sum(rates.values())
        unknown = len(self.lengths) - len(self.seconds)
        return rates | ({"others": others} if others else {}) | ({"unknown": unknown} if unknown else {})


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    """Total, least, median and greatest of what is known of the clips; None of nothing."""
    if not values:
        return None
    numbers = {
        "total": sum(values),
        "shortest": min(values),
        "median": median(values),
        "longest": max(values),
    }
    return {name: round(number, 3) for name, number in numbers.items()}
