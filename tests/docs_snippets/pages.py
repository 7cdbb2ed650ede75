"""The pages whose blocks run, and the two kinds of readers who follow them."""

import shutil
from pathlib import Path

import pytest

from tests.docs_snippets.page import read_page
from tests.docs_snippets.reader import PROJECT, Reader
from tests.docs_snippets.run_page import run_page

PAGES = [
    PROJECT / "README.md",
    *sorted((PROJECT / "docs" / "tutorial").glob("*.md")),
    *sorted((PROJECT / "docs" / "how-to").glob("*.md")),
]
FROM_NOTHING = frozenset({"README", "first-encoder", "keep-the-data"})
"""Pages whose reader starts the service: the others find one that holds a corpus and an encoder."""
_TOOLS = ("bash", "curl", "jq")


def runnable_pages(*, from_nothing: bool) -> list[Path]:
    """The pages with blocks to run whose reader starts the service, or those whose reader finds one."""
    return [
        path
        for path in PAGES
        if (path.stem in FROM_NOTHING) == from_nothing and any(block.is_runnable for block in read_page(path))
    ]


def follow(page: Path, reader: Reader) -> None:
    """Run all blocks of a page; the test skips where a reader could not follow it either."""
    if missing := [tool for tool in _TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"the pages use {', '.join(missing)}")
    outcome = run_page(page, reader.folder_for(page), reader.environment)
    assert outcome.num_run == sum(block.is_runnable for block in read_page(page))
