"""Read signs and signers from the names of clips, for corpora that state them only there."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from core.corpora.readers.clip_files import ClipFiles
from core.corpora.source import ReadReport

MIN_CLIPS = 20
"""Clips whose names must match, so that a few names that look alike by chance are left alone."""


@dataclass(frozen=True)
class NamingScheme:
    """How a corpus names its clips: a pattern with the groups `signer` and perhaps `sign`, in that order.

    `ranges` are the largest numbers of the pattern's groups, all of which begin with 1; empty for any number.
    """

    corpus: str
    example: str
    pattern: re.Pattern[str]
    ranges: tuple[int, ...] = ()

    def match(self, clip: ClipFiles) -> re.Match[str] | None:
        """Return the parts of a clip's name, if it follows the scheme."""
        found = self.pattern.fullmatch(PurePosixPath(clip.name).name)
        if found is None or not self.ranges:
            return found
        numbers = map(int, found.groups())
        return found if all(1 <= n <= most for n, most in zip(numbers, self.ranges, strict=True)) else None


_SCHEMES = (
    NamingScheme(
        "LSA64",
        "001_002_003 (sign, signer, repetition)",
        re.compile(r"(?P<sign>\d{3})_(?P<signer>\d{3})_(\d{3})"),
        (64, 10, 5),
    ),
    NamingScheme(
        "AUTSL", "signer2_sample3_color", re.compile(r"signer(?P<signer>\d{1,3})_sample\d{1,5}(?:_color)?")
    ),
)


def with_facts_of_names(clips: Sequence[ClipFiles], report: ReadReport) -> list[ClipFiles]:
    """Add signs and signers, if all names follow the scheme of one corpus; the report says so.

    Folders that may be signs are left alone, and names that occur twice, of few clips or of one signer.
    """
    if len(clips) < MIN_CLIPS or len({clip.label for clip in clips}) > 1:
        return list(clips)
    for scheme in _SCHEMES:
        found = [scheme.match(clip) for clip in clips]
        parts = [match.groupdict() for match in found if match is not None]
        names = {match[0] for match in found if match is not None}
        if len(names) == len(clips) and len({part["signer"] for part in parts}) > 1:
            what = "signs and signers" if "sign" in parts[0] else "signers"
            report.note(
                f"All names look like those of {scheme.corpus}, {scheme.example}, so {what} were read from "
                "the names. If it is another corpus, add a table of labels (labels.csv)."
            )
            return [
                replace(clip, label=part.get("sign", clip.label), signer=part["signer"])
                for clip, part in zip(clips, parts, strict=True)
            ]
    return list(clips)
