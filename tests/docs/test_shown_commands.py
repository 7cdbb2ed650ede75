"""Each command line and module that a page shows exists, with the options it shows."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from signforge.cli import app
from signforge.commands.submit import FileOrCommand
from tests.docs.conftest import DOCS, PROJECT

PAGES = [*sorted(DOCS.rglob("*.md")), PROJECT / "ARCHITECTURE.md", PROJECT / "CONTRIBUTING.md"]


def shown(page: Path) -> Iterator[str]:
    """Lines of shell blocks and inline code, without comments and with continued lines joined."""
    text = page.read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        yield re.sub(r"\s#.*", "", line)
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that these words call, and the words that follow it."""
    command = get_command(app)
    while words and (commands := getattr(command, "commands", {})):
        if words[0] not in commands and isinstance(command, FileOrCommand):
            words = ["file", *words]
        if words[0] not in commands:
            break
        command, words = commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_that_a_page_shows_exists_with_its_options(page: Path) -> None:
    for line in shown(page):
        if not line.startswith("signforge ") or "COMMAND" in line:
            continue
        command, rest = command_of(line.removesuffix("&").split()[1:])
        assert not getattr(command, "commands", None), f"there is no command {line!r}"
        known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"--help"}
        unknown = [word for word in rest if re.match(r"--\w", word) and word.split("=")[0] not in known]
        assert not unknown, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_module_or_program_that_a_page_runs_exists(page: Path) -> None:
    for line in shown(page):
        for module in re.findall(r"(?:python -m|--module) ([\w.]+)", line):
            assert importlib.util.find_spec(module), line
        for program in re.findall(r"python (benchmarks/[\w/]+\.py)", line):
            assert (PROJECT / program).is_file(), line
