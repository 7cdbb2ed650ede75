"""The documentation builds without a warning and without the network, and holds the generated reference."""

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from core.jobs.settings import Settings
from tests.docs.conftest import DOCS, PROJECT

NO_NETWORK = {"http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(out)]
    built = subprocess.run(
        command, cwd=PROJECT, env={**os.environ, **NO_NETWORK}, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return out


def text_of(page: Path) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text("utf-8")))


@pytest.mark.slow
@pytest.mark.slowest
def test_it_builds_and_every_setting_is_on_its_page(site: Path) -> None:
    shown = text_of(site / "reference" / "settings.html")
    assert [name for name in Settings.model_fields if f"SIGNFORGE_{name.upper()}" not in shown] == []


@pytest.mark.slow
@pytest.mark.slowest
def test_a_built_page_asks_no_other_host_for_anything(site: Path) -> None:
    for page in site.rglob("*.html"):
        sources = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:)?//', page.read_text("utf-8"))
        assert sources == [], page


@pytest.mark.slow
@pytest.mark.slowest
def test_the_client_is_described_by_its_docstrings(site: Path) -> None:
    shown = text_of(site / "reference" / "python.html")
    assert "load_encoder" in shown
    assert "Load a downloaded encoder" in shown
