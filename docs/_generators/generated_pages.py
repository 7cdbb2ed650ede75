"""A Sphinx extension that fills reference pages in from the code.

A page holds `<!-- generated: NAME -->`; before the page is parsed, that line is replaced by the Markdown that
the generator of this name makes. So a new setting, command, route, field or event is in the reference as
soon as it is in the code.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from _generators import commands, events, http, python, recipes, settings, specifications

GENERATORS: Mapping[str, Callable[[], str]] = {
    "settings": settings.page,
    "recipes": recipes.page,
    "recipe-fields": recipes.fields_page,
    "specifications": specifications.page,
    "events": events.page,
    "commands": commands.page,
    "http-operations": http.operations_page,
    "http-models": http.models_page,
    "python": python.page,
    "errors": python.errors_page,
}
_PLACE = re.compile(r"^<!-- generated: ([a-z-]+) -->$", re.MULTILINE)


def fill(text: str) -> str:
    """Replace each place for generated text by that text.

    Raises:
        KeyError: a page names a generator that does not exist.
    """
    return _PLACE.sub(lambda found: GENERATORS[found[1]](), text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("source-read", _fill_source)
    app.connect("env-get-outdated", _generated_pages)
    app.connect("autodoc-process-signature", python.plain_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _fill_source(app: Sphinx, docname: str, source: list[str]) -> None:
    source[0] = fill(source[0])


def _generated_pages(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Pages that are read again at every build, because the code may have changed."""
    return [name for name in env.found_docs if _PLACE.search(Path(env.doc2path(name)).read_text("utf-8"))]
