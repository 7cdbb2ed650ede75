"""A refused value of an option is named once."""

import pytest
from typer.testing import CliRunner

from signforge.cli import app


@pytest.mark.parametrize(
    "words",
    ["up --port notaport", "up --port 65536", "jobs --limit ten", "jobs --state nope"],
)
def test_the_option_and_its_value_are_named(words: str) -> None:
    *_, option, value = words.split()
    done = CliRunner().invoke(app, words.split())
    assert done.exit_code == 2, done.output
    assert f"Error: Invalid value for '{option}': " in done.output
    assert done.output.count(value) == 1
    assert "Value error" not in done.output
