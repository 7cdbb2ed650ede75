"""Interleaved benchmarking: sides alternate in one run, and are compared by their ratio within each round.

A side is a function that does its work once and returns the seconds taken. It may run in this process
(`timed`) or in a separate process (`sides.SideProcess`), with its own memory and allocator.
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Side = Callable[[], float]
"""Does a side's work once and returns the seconds taken."""


@dataclass(frozen=True)
class Spread:
    """Minimum, median and maximum of some numbers."""

    least: float
    median: float
    largest: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> "Spread":
        return cls(min(numbers), statistics.median(numbers), max(numbers))

    def __format__(self, spec: str) -> str:
        return f"{self.median:{spec}} ({self.least:{spec}} .. {self.largest:{spec}})"


def median_interval(numbers: Sequence[float]) -> tuple[float, float]:
    """Return the distribution-free 95 % confidence interval of the median, from order statistics.

    The true median lies below the k-th smallest number with the probability that fewer than k of n fair coins
    show heads. For fewer than six numbers, return the minimum and the maximum.
    """
    ordered, count = sorted(numbers), len(numbers)
    below, rank = 0.0, 0
    while 2 * (below := below + math.comb(count, rank) / 2**count) <= 0.05:
        rank += 1
    first = max(rank - 1, 0)
    return ordered[first], ordered[-1 - first]


def timed(work: Callable[[], object]) -> Side:
    """Make a side that does `work` in this process."""

    def side() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return side


def interleaved(sides: Mapping[str, Side], *, rounds: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Run the sides in alternation (A B C A B C ...), and return each side's seconds by round.

    The first `warm_up` rounds are discarded.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(warm_up + rounds):
        for name, side in sides.items():
            seconds[name].append(side())
    return {name: taken[warm_up:] for name, taken in seconds.items()}


def speedup(baseline: Sequence[float], side: Sequence[float]) -> Spread:
    """Return the speed-up of `side` over `baseline`, by round."""
    return Spread.of([slow / fast for slow, fast in zip(baseline, side, strict=True)])


def comparison(
    seconds: Mapping[str, Sequence[float]],
    *,
    baseline: str,
    amount: float,
    unit: str,
    more: Mapping[str, Mapping[str, str]] | None = None,
) -> str:
    """Return a table with one line per side: median rate, and speed-up over `baseline` (minimum .. maximum).

    A side processes `amount` of `unit` in a round. `more` adds columns: heading -> side -> cell.
    """
    columns = more or {}
    rows = [
        [
            side,
            f"{amount / statistics.median(taken):.4g}",
            f"{speedup(seconds[baseline], taken):.2f}",
            *(cells.get(side, "-") for cells in columns.values()),
        ]
        for side, taken in seconds.items()
    ]
    return table(["", f"{unit}/s", f"times {baseline}", *columns], rows)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a table; the first column is aligned to the left, the others to the right."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
