"""Every command and snippet of the README, the tutorial and the how-to pages runs, against a real service."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.docs_snippets.page import Block, read_page
from tests.docs_snippets.reader import PROJECT, Reader
from tests.docs_snippets.run_page import run_page

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(400)]

PAGES = [
    PROJECT / "README.md",
    *sorted((PROJECT / "docs" / "tutorial").glob("*.md")),
    *sorted((PROJECT / "docs" / "how-to").glob("*.md")),
]
FROM_NOTHING = frozenset({"README", "first-encoder", "keep-the-data"})
"""Pages whose reader starts the service: the others find one that holds a corpus and an encoder."""
MIN_BLOCKS_RUN = 60
MAX_BLOCKS_NOT_RUN = 15
TOOLS = ("bash", "curl", "jq")


@pytest.fixture(autouse=True)
def _the_tools_of_the_pages() -> None:
    """Skip where a reader could not follow the pages either."""
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"the pages use {', '.join(missing)}")


def _cases() -> list[object]:
    """The pages with blocks to run. A how-to page takes up to a minute, so `make pages` runs those."""
    return [
        pytest.param(path, marks=pytest.mark.pages if path.parent.name == "how-to" else ())
        for path in PAGES
        if any(block.is_runnable for block in read_page(path))
    ]


@pytest.mark.parametrize("page", _cases(), ids=lambda path: path.stem)
def test_a_page_does_what_it_says(page: Path, request: pytest.FixtureRequest) -> None:
    fixture = "reader" if page.stem in FROM_NOTHING else "prepared_reader"
    reader: Reader = request.getfixturevalue(fixture)
    outcome = run_page(page, reader.folder_for(page), reader.environment)
    assert outcome.num_run == sum(block.is_runnable for block in read_page(page))


def test_most_blocks_are_run(capsys: pytest.CaptureFixture[str]) -> None:
    blocks: list[Block] = [block for page in PAGES for block in read_page(page)]
    run = sum(block.is_runnable for block in blocks)
    not_run = [block.not_run for block in blocks if block.not_run is not None]
    with capsys.disabled():
        sys.stdout.write(f"\n{run} code blocks of {len(PAGES)} pages are run, {len(not_run)} are not.\n")
    assert run >= MIN_BLOCKS_RUN
    assert len(not_run) <= MAX_BLOCKS_NOT_RUN
