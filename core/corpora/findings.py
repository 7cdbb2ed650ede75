"""What the checks of an import may find: a code, a sentence, and the share of clips at which it is refused.

A finding says that clips probably do not mean what they were read as. A note says what was assumed.
"""

from dataclasses import dataclass, field

from core.specs.finding_codes import FindingCode

NUM_EXAMPLES = 3


@dataclass(frozen=True)
class FindingKind:
    """One thing that a check can find.

    `sentence` has the placeholders `{clips}` and `{example}`, and says what to do. It is reported if at least
    `min_count` clips have it, and `min_ratio` times as many as the clips that speak against it. The import is
    refused if it is reported of more than the share `refused_above` of the clips read; None: never.
    """

    code: FindingCode
    sentence: str
    min_count: int = 1
    refused_above: float | None = None
    min_ratio: float = 2


@dataclass
class Evidence:
    """How many clips speak for and against a finding, and the first that speak for it."""

    kind: FindingKind
    count: int = 0
    against: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def is_reported(self) -> bool:
        """Whether it is told."""
        return self.count >= max(self.kind.min_count, self.kind.min_ratio * self.against)

    def is_refused(self, num_clips: int) -> bool:
        """Whether so many of `num_clips` clips have it that an import is refused unless it was accepted."""
        limit = self.kind.refused_above
        return self.is_reported and limit is not None and self.count > limit * num_clips

    @property
    def message(self) -> str:
        """What was found, and what to do."""
        clips = f"{self.count} clip{'s' * (self.count != 1)}"
        return self.kind.sentence.format(clips=clips, example=self.examples[0])

    def add(self, other: "Evidence") -> None:
        """Add that of later clips."""
        self.count += other.count
        self.against += other.against
        self.examples += other.examples[: NUM_EXAMPLES - len(self.examples)]

    def as_json(self, num_clips: int) -> dict[str, object]:
        """The finding as a JSON object. `refused`: it refuses an import of so many clips, if not accepted."""
        return {
            "code": self.kind.code,
            "clips": self.count,
            "examples": list(self.examples),
            "message": self.message,
            "refused": self.is_refused(num_clips),
        }
