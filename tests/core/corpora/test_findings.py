"""Every code of a finding is explained, and exists."""

import re
from pathlib import Path
from typing import get_args

from core.specs.finding_codes import FindingCode

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "findings.md"


def test_the_reference_explains_every_code() -> None:
    assert set(re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text(), re.M)) == set(get_args(FindingCode))
