"""Find glosses, signers and sessions whose names differ in case or form alone, so are probably the same."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from core.corpora.findings import Evidence, FindingKind
from core.corpora.source import ReadReport, SourceClip
from core.specs.plain_names import alike

SIMILAR_NAMES = FindingKind(
    "similar-names",
    "{clips} have a gloss, signer or session whose name differs from another one in case or form alone (for "
    "example {example}). They are imported as different ones. If they are the same, use one spelling.",
)
_NUM_CHARACTERS = 60


@dataclass
class SeenNames:
    """Counts the clips of each gloss, signer and session."""

    counts: dict[str, Counter[str]] = field(
        default_factory=lambda: {"gloss": Counter(), "signer": Counter(), "session": Counter()}
    )

    def add(self, clip: SourceClip) -> None:
        """Count a clip."""
        for kind, name in (("gloss", clip.label), ("signer", clip.signer), ("session", clip.session)):
            if name is not None:
                self.counts[kind][name] += 1

    def report(self, report: ReadReport) -> None:
        """Add what was found to the report."""
        for kind, counts in self.counts.items():
            for group in _groups(counts):
                named = " and ".join(repr(name[:_NUM_CHARACTERS]) for name in group)
                count = sum(counts[name] for name in group)
                report.find_many(Evidence(SIMILAR_NAMES, count, examples=[f"{kind} {named}"]))


def _groups(names: Mapping[str, int]) -> Iterator[list[str]]:
    groups = defaultdict(list)
    for name in sorted(names):
        groups[alike(name)].append(name)
    return (group for group in groups.values() if len(group) > 1)
