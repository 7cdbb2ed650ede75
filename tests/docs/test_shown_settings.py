"""Each environment variable of ours that a page names is read by something."""

import re
from pathlib import Path

import pytest

from core.jobs.settings import Settings
from tests.docs.conftest import DOCS, PROJECT

PAGES = [*sorted(DOCS.rglob("*.md")), *sorted(PROJECT.glob("*.md"))]
OTHERS = {
    "SIGNFORGE_URL": "signforge/client/transport/address.py",
    "SIGNFORGE_API_KEY": "signforge/client/transport/address.py",
    "SIGNFORGE_CACHE_FOLDER": "core/kernels/library.py",
    "SIGNFORGE_POSTGRES_PASSWORD": "docker-compose.yml",
    "SIGNFORGE_FUZZ_EXAMPLES": "tests/api/test_schemathesis.py",
}
"""Variables that are no settings of the service, and what reads them."""


def known() -> set[str]:
    return {f"SIGNFORGE_{name}".upper() for name in Settings.model_fields} | OTHERS.keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_variable_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"\bSIGNFORGE_[A-Z0-9_]*[A-Z0-9]\b", page.read_text("utf-8")))
    assert named <= known()


@pytest.mark.parametrize("name", OTHERS)
def test_the_other_variables_are_read_where_this_says(name: str) -> None:
    assert name in (PROJECT / OTHERS[name]).read_text("utf-8")
