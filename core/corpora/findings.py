"""What the checks of an import may find: a code, a sentence, and the share of clips at which it is refused.

A finding says that clips probably do not mean what they were read as. A note says what was assumed.
"""

from dataclasses import dataclass, field

from core.specs.finding_codes import FindingCode

NUM_EXAMPLES = 3
NUM_NAMED = 20
"""Clips that a finding names if others of the same corpus are right."""
SHARE_OF_FEW = 0.01
"""`FindingKind.min_share` of what was never seen in a right clip. Hands at the wrong arm: in none of 4,100
real clips, so the share of false alarms is probably below 0.1 % (rule of three: 3 / 4,100)."""


@dataclass(frozen=True)
class FindingKind:
    """One thing that a check can find.

    `sentence` has the placeholders `{clips}` and `{example}`, and says what to do. It is reported if at least
    `min_count` clips have it, and at least the share `min_share` of those that have it or speak against it.
    The import is refused if it is reported of more than the share `refused_above` of the clips read; None:
    never.

    `if_mixed` takes the place of `sentence` if some clips speak against the finding. Its placeholders are
    `{clips}` (as "12 of 20 clips"), `{example}` with the names of further clips, and `{right}`.
    """

    code: FindingCode
    sentence: str
    min_count: int = 1
    refused_above: float | None = None
    min_share: float = 2 / 3
    if_mixed: str = ""


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
        least = self.kind.min_share * (self.count + self.against)
        return self.count >= max(self.kind.min_count, least)

    def is_refused(self, num_read: int) -> bool:
        """Whether it is true of so many clips that an import is refused unless it was accepted."""
        limit = self.kind.refused_above
        return self.is_reported and limit is not None and self.count > limit * self.num_clips(num_read)

    def num_clips(self, num_read: int) -> int:
        """How many clips were looked at: those read, or more if some were skipped later, as without hands."""
        return max(num_read, self.count + self.against)

    @property
    def message(self) -> str:
        """What was found, and what to do."""
        if self._is_mixed:
            return self.kind.if_mixed.format(
                clips=f"{self.count} of {self.count + self.against} clips",
                example=self._named,
                right=self.against,
            )
        clips = f"{self.count} clip{'s' * (self.count != 1)}"
        return self.kind.sentence.format(clips=clips, example=self.examples[0])

    @property
    def _is_mixed(self) -> bool:
        return bool(self.kind.if_mixed and self.against)

    @property
    def _named(self) -> str:
        """The first example, and the names of the others; an example is `NAME: what was seen`."""
        first, *others = self.examples
        if not others:
            return first
        more = self.count - len(self.examples)
        names = ", ".join(each.partition(": ")[0] for each in others)
        return f"{first}; also {names}" + (f" and {more} more" if more > 0 else "")

    def add(self, other: "Evidence") -> None:
        """Add that of later clips."""
        self.count += other.count
        self.against += other.against
        most = NUM_NAMED if self.kind.if_mixed else NUM_EXAMPLES
        self.examples += other.examples[: most - len(self.examples)]

    def as_json(self, num_read: int) -> dict[str, object]:
        """The finding as a JSON object. `refused`: it refuses an import of so many clips, if not accepted."""
        return {
            "code": self.kind.code,
            "clips": self.count,
            "examples": self.examples[: NUM_NAMED if self._is_mixed else NUM_EXAMPLES],
            "message": self.message,
            "refused": self.is_refused(num_read),
        }
