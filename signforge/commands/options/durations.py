"""Options of the command line that are durations: with an upper limit, and never `nan`.

The ranges of older versions of typer accept `nan`: it is neither below the minimum nor above the maximum.
"""

import math
from typing import Any

import typer

from core.specs.fields import MAX_DURATION_DAYS, MAX_DURATION_SECONDS

MAX_GRACE_DAYS = 30.0
"""How long an old credential works at most after a rotation."""


def in_seconds(*names: str, explanation: str) -> Any:
    """An option in seconds."""
    return typer.Option(
        *names,
        metavar="SECONDS",
        min=0,
        max=MAX_DURATION_SECONDS,
        callback=_refuse_nan,
        help=explanation,
    )


def in_days(*names: str, longest: float = MAX_DURATION_DAYS, explanation: str) -> Any:
    """An option in days."""
    return typer.Option(*names, min=0, max=longest, callback=_refuse_nan, help=explanation)


def _refuse_nan(value: float | None) -> float | None:
    if value is not None and math.isnan(value):
        raise typer.BadParameter("nan is not a duration; give a number.")
    return value
