"""Options that are durations: the limit of the service, and never `nan` or infinity."""

import re

import pytest
from typer.testing import CliRunner

from signforge.cli import app

OPTIONS = [
    ("keys create anna --days", "36500"),
    ("keys rotate id --grace-days", "30"),
    ("webhooks rotate id --grace-days", "30"),
    ("retry job_1 --deadline", "3153600000"),
]


@pytest.mark.parametrize("value", ["1e12", "inf", "nan"])
@pytest.mark.parametrize(("words", "limit"), OPTIONS)
def test_a_duration_beyond_the_limit_is_refused_before_a_service_is_asked(
    words: str, limit: str, value: str
) -> None:
    done = CliRunner().invoke(app, [*words.split(), value], env={"TERM": "dumb", "COLUMNS": "200"})
    assert done.exit_code == 2, done.output
    said = re.sub(r"[\s\u2502]+", " ", done.output)
    assert f"Invalid value for '{words.split()[-1]}'" in said
    assert limit in said or value == "nan"
