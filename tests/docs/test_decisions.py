"""Each record of a decision is complete, and the tests that it says guard it exist."""

import re
from pathlib import Path

import pytest

from tests.docs.conftest import DOCS, PROJECT

RECORDS = sorted((DOCS / "decisions").glob("0*.md"))
SECTIONS = ["Decision", "Why", "Alternatives", "Guarded by"]


def sections_of(record: Path) -> dict[str, str]:
    parts = re.split(r"^## (.+)$", record.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_numbers_begin_with_1_and_have_neither_gaps_nor_repeats() -> None:
    assert [int(record.name[:4]) for record in RECORDS] == list(range(1, len(RECORDS) + 1))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_a_record_has_its_number_its_status_and_its_sections(record: Path) -> None:
    text = record.read_text("utf-8")
    assert re.match(rf"# {int(record.name[:4])}\. \S", text)
    assert re.search(r"^\*\*Status:\*\* (accepted|replaced by \d+)$", text, re.MULTILINE)
    sections = sections_of(record)
    assert list(sections) == SECTIONS
    assert all(section.strip() for section in sections.values())


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_what_guards_a_decision_exists(record: Path) -> None:
    guards = sections_of(record)["Guarded by"]
    named = re.findall(r"^\* `([^`]+)`: ", guards, re.MULTILINE)
    assert named or guards.strip().startswith("No test; ")
    missing = [path for path in named if not (PROJECT / path).is_file()]
    assert not missing
