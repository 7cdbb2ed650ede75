"""Small sources that ask for much memory are refused in a sentence, before they get it."""

from pathlib import Path

import pytest

from core.errors import CorpusError
from tests.core.corpora.readers.bombs import BOMBS, Bomb
from tests.core.corpora.readers.conftest import read
from tests.memory import MIB, memory_within

pytestmark = pytest.mark.slow

ASKED, GIVEN = 500, 300
"""Megabytes."""


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
def test_it_is_refused_with_little_memory(tmp_path: Path, bomb: Bomb) -> None:
    source = bomb(tmp_path, ASKED)
    with memory_within(GIVEN * MIB):
        reason = why_refused(source)
    assert len(reason) < 800


def why_refused(source: Path) -> str:
    """The error; of a folder whose only clip is skipped, the reason."""
    try:
        result = read(source, size=(640, 480))
    except CorpusError as error:
        return str(error)
    assert not result.clips
    return result.report.examples[0]
