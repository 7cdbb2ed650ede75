"""Every command and snippet of the README, the tutorial and a how-to page that starts the service itself."""

import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.docs_snippets.page import Block, read_page
from tests.docs_snippets.pages import PAGES, follow, runnable_pages
from tests.docs_snippets.reader import Reader

MIN_BLOCKS_RUN = 60
MAX_BLOCKS_NOT_RUN = 15


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", runnable_pages(from_nothing=True), ids=lambda path: path.stem)
def test_a_page_does_what_it_says(page: Path, reader: Reader) -> None:
    follow(page, reader)


def test_most_blocks_are_run(capsys: pytest.CaptureFixture[str]) -> None:
    blocks: list[Block] = [block for page in PAGES for block in read_page(page)]
    run = sum(block.is_runnable for block in blocks)
    not_run = [block.not_run for block in blocks if block.not_run is not None]
    with capsys.disabled():
        sys.stdout.write(f"\n{run} code blocks of {len(PAGES)} pages are run, {len(not_run)} are not.\n")
        sys.stdout.writelines(f"{number} not run: {why}\n" for why, number in Counter(not_run).items())
    assert run >= MIN_BLOCKS_RUN
    assert len(not_run) <= MAX_BLOCKS_NOT_RUN
