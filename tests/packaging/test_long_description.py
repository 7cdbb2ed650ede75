"""The description that a package index shows."""

import zipfile
from pathlib import Path

import pytest

from long_description import long_description, relative_links
from tests.servers.starting import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PLACE = "https://example.org/signforge/blob/main/"


@pytest.mark.parametrize(
    ("text", "without", "resolved"),
    [
        ("see [it](docs/index.md#b).", "see it.", f"see [it]({PLACE}docs/index.md#b)."),
        ("[a](https://b.org/c)", "[a](https://b.org/c)", "[a](https://b.org/c)"),
        ("a\n\n![A plot](docs/a.svg)\n\nb", "a\n\nb", f"a\n\n![A plot]({PLACE}docs/a.svg)\n\nb"),
        ("<!-- setup\nx -->\nb", "b", "b"),
    ],
)
def test_a_relative_link_is_resolved_or_only_its_text_stays(text: str, without: str, resolved: str) -> None:
    assert long_description(text) == without
    assert long_description(text, PLACE) == resolved


def test_the_readme_has_relative_links_and_its_description_none() -> None:
    assert relative_links(README)
    made = long_description(README)
    assert relative_links(made) == []
    assert "<!--" not in made
    assert "Tutorial: from pose files" in made


@pytest.mark.system
@pytest.mark.slow
def test_the_built_metadata_has_no_relative_link(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(name).decode()
    assert "Description-Content-Type: text/markdown" in metadata
    assert "# signforge" in metadata
    assert relative_links(metadata) == []
