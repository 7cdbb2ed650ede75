"""A command starts fast, because it imports only what it needs."""

import os
import re
import subprocess
import sys
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from signforge.cli import Commands, app
from signforge.commands.lazy_group import LazyCommand
from tests.signforge.conftest import RunningApi

SPECIFICATIONS = ("core.specs.jobs", "core.specs.pretraining", "core.jobs.kinds")
CLIENT = ("httpx", "pydantic", "pydantic_settings", "asyncio", "signforge.client")
SERVICE = ("torch", "numpy", "sqlalchemy", "alembic", "celery", "fastapi", "onnx", "pydantic_settings")
HELP = ("rich", "pygments", "markdown_it")
HTTPX_COMMAND = ("click", "pygments", "rich.markdown", "rich.progress", "rich.syntax")
"""What httpx's own command line would load, and what only progress bars need."""


def imported_by(*words: str, **environment: str) -> set[str]:
    """The modules that a command has imported at its end."""
    program = (
        "import sys\nfrom signforge.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def found(modules: tuple[str, ...], imported: set[str]) -> list[str]:
    return [name for name in modules if name in imported]


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("-h",)], ids=" ".join)
def test_the_list_of_commands_imports_no_command(words: tuple[str, ...]) -> None:
    imported = imported_by(*words)
    assert not found((*CLIENT, *SPECIFICATIONS, *SERVICE, *HELP), imported)
    assert not found(("signforge.commands.jobs", "signforge.commands.submit"), imported)


def test_a_command_of_the_client_imports_no_specifications(api: RunningApi) -> None:
    imported = imported_by("jobs", "--limit", "1", SIGNFORGE_URL=api.url, SIGNFORGE_API_KEY=api.api_key)
    assert "httpx" in imported
    assert not found((*SPECIFICATIONS, *SERVICE, *HTTPX_COMMAND), imported)


@pytest.mark.parametrize("command", Commands.table, ids=lambda command: command.name)
def test_the_list_of_commands_says_what_the_command_says(command: LazyCommand) -> None:
    loaded = get_command(app).commands[command.name]  # type: ignore[attr-defined]
    assert loaded.name == command.name
    assert " ".join((loaded.help or "").split("\n\n")[0].split()) == command.summary


@pytest.mark.parametrize("words", [("corpora", "add"), ("evaluate",), ("submit", "pretrain"), ("export",)])
def test_help_of_eighty_columns_cuts_no_option(words: tuple[str, ...]) -> None:
    found = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "80"}).stdout
    command: Any = get_command(app)
    for word in words:
        command = command.commands[word]
    names = {name for parameter in command.params for name in parameter.opts if name.startswith("--")}
    assert len(names) > 1
    assert not {name for name in names if not re.search(rf"{name}(?![\w-])", found)}


def test_the_list_of_commands_shows_whole_summaries_under_their_headings() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).stdout
    flat = " ".join(shown.split())
    assert not [command.name for command in Commands.table if command.summary not in flat]
    assert {command.panel for command in Commands.table if command.panel} == {"Run the parts of a cluster"}
    first, second = shown.split("Run the parts of a cluster:")
    assert "Commands:" in first
    assert "\n  keys " in first
    assert "\n  worker " in second
