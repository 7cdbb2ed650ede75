"""What is doubtful in the names, glosses, signers, splits and lengths of all clips of an import together."""

from collections import Counter
from dataclasses import dataclass, field

from core.corpora.findings import NUM_EXAMPLES, Evidence, FindingKind
from core.corpora.source import ReadReport, SourceClip

MISSING_VALUES = FindingKind(
    "missing-value-names",
    "{clips} have a gloss, signer, session or split that is called as programs write a missing value (for "
    "example {example}). If it is missing, leave the cell empty.",
)
_MISSING = frozenset(("nan", "NaN", "None", "null", "NULL", "<NA>", "NaT", "N/A", "#N/A", "undefined"))
_MIN_CLIPS = 3
"""Fewer clips of single frames are not reported."""
_NUM_CHARACTERS = 60


@dataclass
class DoubtfulFacts:
    """Counts clips without a gloss or split, of one name, and with names that stand for a missing value."""

    num_clips: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    names: set[str] = field(default_factory=set)
    repeated: Counter[str] = field(default_factory=Counter)
    missing: Evidence = field(default_factory=lambda: Evidence(MISSING_VALUES))

    def add(self, clip: SourceClip) -> None:
        """Look at a clip."""
        self.num_clips += 1
        self.unknown["gloss"] += clip.label is None
        self.unknown["split"] += clip.split is None
        if clip.name in self.names:
            self.repeated[clip.name] += 1
        self.names.add(clip.name)
        called = [value for value in (clip.label, clip.signer, clip.session, clip.split) if value in _MISSING]
        if called:
            example = [f"{clip.name}: {called[0]!r}"] if len(self.missing.examples) < NUM_EXAMPLES else []
            self.missing.add(Evidence(MISSING_VALUES, 1, examples=example))

    def report(self, report: ReadReport) -> None:
        """Add what was found to the report."""
        for fact, so in (("gloss", ""), ("split", ", so they are in train, unless split.by says otherwise")):
            if 0 < (number := self.unknown[fact]) < self.num_clips:
                report.note(f"{number} of {self.num_clips} clips without a {fact}{so}.")
        if self.repeated:
            name = next(iter(self.repeated))
            number = self.repeated.total() + len(self.repeated)
            report.note(
                f"{number} clips share their name with another one (for example {name[:_NUM_CHARACTERS]!r}), "
                "so they cannot be told apart by it."
            )
        if self.missing.count:
            report.find_many(self.missing)
        _note_single_frames(report)


def _note_single_frames(report: ReadReport) -> None:
    """Say that most clips have one frame. Corpora of static signs have; else frames were taken for clips."""
    single = sum(length == 1 for length in report.lengths)
    if len(report.lengths) >= _MIN_CLIPS and 2 * single > len(report.lengths):
        report.note(
            f"{single} of {len(report.lengths)} clips have a single frame. If they are frames of longer "
            "recordings, their axes, files or names are not as the format wants them "
            "(docs/reference/formats.md)."
        )
