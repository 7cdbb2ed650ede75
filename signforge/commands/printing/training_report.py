"""What came of a pretraining, in a few lines, and a sentence where its loss rose."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from signforge.client.models import Metric

_FEWEST_POINTS = 10
_SHARE = 10
"""The first and the last tenth of the numbers are compared, since single steps vary."""


def training_fields(result: Mapping[str, Any]) -> list[tuple[str, object]]:
    """The result of a pretraining as names and values, without what was not measured."""
    quality = result.get("quality") or {}
    return [
        ("encoder", f"{result.get('encoder_name')}, version {result.get('encoder_version')}"),
        ("id", result.get("encoder_id")),
        ("steps", result.get("steps")),
        ("final loss", result.get("final_loss")),
        ("kNN on held-out clips", quality.get("quality/knn")),
        ("collapsed", {True: "yes", False: "no"}.get(result.get("collapsed"))),  # type: ignore[arg-type]
    ]


def rising_loss(points: Sequence[Metric]) -> str | None:
    """A sentence about a loss that is higher at the end than at the beginning. None if it is not, or unknown.

    `points` are the values of one loss, by step.
    """
    values = [point.value for point in points if point.value is not None]
    if len(values) < _FEWEST_POINTS:
        return None
    count = max(1, len(values) // _SHARE)
    first, last = fmean(values[:count]), fmean(values[-count:])
    if last <= first:
        return None
    return (
        f"The loss rose from {first:.3f} (first tenth of the steps) to {last:.3f} (last tenth). That alone "
        "is no sign of failure: the queue of negatives begins with random vectors, which are easy to tell "
        "from a clip, and the loss rises as clips take their place. Judge the run by its scores on held-out "
        "clips (docs/explanation/monitoring.md)."
    )
