"""What holds for every page: a first sentence, no private paths, and no references that lead nowhere."""

import re
from pathlib import Path

import pytest

from tests.docs.conftest import DOCS, PROJECT

PAGES = sorted(DOCS.rglob("*.md"))
OVERVIEWS = [PROJECT / "ARCHITECTURE.md", PROJECT / "CONTRIBUTING.md"]
SOURCES = [
    path
    for folder in ("api", "benchmarks", "core", "signforge", "tests", "worker")
    for path in (PROJECT / folder).rglob("*.py")
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_a_page_begins_with_its_title_and_what_it_is_for(page: Path) -> None:
    title, empty, first, *_ = page.read_text("utf-8").splitlines()
    assert title.startswith("# ")
    assert empty == ""
    assert first
    assert not first.startswith(("#", "|", "```", "<!--"))


@pytest.mark.parametrize("page", [*PAGES, *OVERVIEWS], ids=lambda page: page.name)
def test_a_page_names_no_folder_that_a_reader_does_not_have(page: Path) -> None:
    assert "../shared" not in page.read_text("utf-8")


@pytest.mark.parametrize("page", [*PAGES, *OVERVIEWS], ids=lambda page: page.name)
def test_a_file_of_the_project_that_a_page_names_exists(page: Path) -> None:
    folders = "api|benchmarks|core|docs|signforge|tests|worker"
    named = re.findall(rf"`((?:{folders})/[\w/.-]+)", page.read_text("utf-8"))
    missing = [path for path in named if not (PROJECT / path).exists()]
    assert not missing


def test_links_of_the_overviews_lead_to_files() -> None:
    for page in OVERVIEWS:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (PROJECT / target).is_file(), f"{page.name}: {target}"


def test_pages_that_the_code_names_exist() -> None:
    named = {
        (str(path.relative_to(PROJECT)), page)
        for path in SOURCES
        for page in re.findall(r"docs/[\w/-]+\.md", path.read_text("utf-8"))
    }
    assert named
    assert not [(path, page) for path, page in named if not (PROJECT / page).is_file()]


def test_the_architecture_is_short() -> None:
    assert len((PROJECT / "ARCHITECTURE.md").read_text("utf-8").split()) < 1500
