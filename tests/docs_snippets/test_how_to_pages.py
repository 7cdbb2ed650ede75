"""Every command and snippet of the how-to pages runs, against one service that holds a corpus and an encoder.

A file of its own, for a worker of xdist of its own: all pages share the service.
"""

from pathlib import Path

import pytest

from tests.docs_snippets.pages import follow, runnable_pages
from tests.docs_snippets.reader import Reader

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("page", runnable_pages(from_nothing=False), ids=lambda path: path.stem)
def test_a_page_does_what_it_says(page: Path, prepared_reader: Reader) -> None:
    follow(page, prepared_reader)
