"""Find clips with the same points under different glosses: one of the glosses is wrong."""

from collections import defaultdict

from core.corpora.findings import Evidence, FindingKind
from core.corpora.source import ReadReport
from core.corpora.splits import ClipFacts

TWO_GLOSSES = FindingKind(
    "identical-clips",
    "{clips} have the same points as a clip of another gloss (for example {example}). One of the glosses is "
    "wrong. Remove the clips of the wrong one, and import again.",
)


def note_identical_clips(facts: ClipFacts, report: ReadReport) -> None:
    """Report the clips whose points are also those of a clip with another gloss."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for index, content in enumerate(facts.contents):
        if facts.labels[index] >= 0:
            groups[content].append(index)
    doubtful = [group for group in groups.values() if len({int(facts.labels[index]) for index in group}) > 1]
    if not doubtful:
        return
    first = doubtful[0][0]
    other = next(index for index in doubtful[0] if facts.labels[index] != facts.labels[first])
    named = " and ".join(
        f"{facts.names[index]!r} of {facts.label_names[facts.labels[index]]!r}" for index in (first, other)
    )
    report.find_many(Evidence(TWO_GLOSSES, sum(map(len, doubtful)), examples=[named]))
