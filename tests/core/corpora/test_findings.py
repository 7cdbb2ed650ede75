"""Every code of a finding is explained, and exists; too many findings refuse a source."""

import re
from pathlib import Path
from typing import get_args

import pytest

from core.corpora.findings import Evidence, FindingKind
from core.corpora.refusing import refuse_unaccepted
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.specs.finding_codes import FindingCode

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "findings.md"


def test_the_reference_explains_every_code() -> None:
    assert set(re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text(), re.M)) == set(get_args(FindingCode))


def test_clips_that_are_skipped_later_count_among_those_looked_at() -> None:
    """All of thirty clips have a finding, three of them no hands: the share is of thirty."""
    report = ReadReport(clips_read=27)
    report.find_many(
        Evidence(FindingKind("jumps", "{clips}, {example}.", refused_above=0.5), 30, examples=["a"])
    )
    with pytest.raises(CorpusError, match=r"^30 clips, a. That is 30 of 30, so nothing was imported"):
        refuse_unaccepted(report, (), undone="nothing was imported")
