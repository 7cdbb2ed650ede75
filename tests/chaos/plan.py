"""What a run will do to the service and ask of it: drawn from the seed before anything starts.

Each draw is made at once and whole, so the same seed gives the same faults in the same order with the same
durations. What each of them meets depends on the machine; that is what makes many runs worth while.
"""

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

OptionT = TypeVar("OptionT")


class Fault(StrEnum):
    """What can be done to a service."""

    KILL = "killed"
    STOP = "stopped and continued"
    DRAIN = "drained"
    LOCK_DATABASE = "database locked"
    DROP_CONNECTIONS = "broker connections dropped"
    FLUSH_BROKER = "broker flushed"
    RING_TWICE = "doorbells rung twice"
    FILL_DISK = "disk filled"


class Part(StrEnum):
    """To whom."""

    API = "API"
    RECONCILER = "reconciler"
    WORKER = "worker"
    POOL_CHILD = "pool child"
    SUPERVISOR = "supervisor"
    TRAINER = "trainer"
    ATTEMPT = "a worker and its attempt"
    BROKER = "broker"
    DATABASE = "database"


@dataclass(frozen=True)
class Blow:
    """One fault: when (seconds after the one before), to whom, and for how long."""

    after_seconds: float
    fault: Fault
    part: Part | None
    pick: float
    """Which of several, as a share of them."""
    seconds: float
    """How long it lasts; for a kill, until the part is started again."""


@dataclass(frozen=True)
class Wish:
    """One job to submit, and what its owner does with it later."""

    seed: int
    then: str
    """`nothing`, `cancel` or `pause` (and resume)."""
    then_after_seconds: float
    watched: bool


_PARTS = [
    (Part.API, 3),
    (Part.RECONCILER, 3),
    (Part.WORKER, 3),
    (Part.POOL_CHILD, 3),
    (Part.SUPERVISOR, 4),
    (Part.TRAINER, 4),
    (Part.ATTEMPT, 2),
    (Part.BROKER, 3),
    (Part.DATABASE, 2),
]
_FAULTS = [
    (Fault.KILL, 12),
    (Fault.STOP, 8),
    (Fault.DRAIN, 2),
    (Fault.LOCK_DATABASE, 1),
    (Fault.DROP_CONNECTIONS, 2),
    (Fault.FLUSH_BROKER, 2),
    (Fault.RING_TWICE, 2),
    (Fault.FILL_DISK, 1),
]
_LONGEST_STOP_SECONDS = 10.0
"""Longer than a lease of the runs here."""


class Plan:
    """An endless stream of blows and one of wishes, each with a generator of its own."""

    def __init__(self, seed: int, *, mean_gap_seconds: float = 1.8, num_seeds: int = 3) -> None:
        self._blows, self._wishes = random.Random(f"{seed} blows"), random.Random(f"{seed} wishes")
        self._gap, self._num_seeds = mean_gap_seconds, num_seeds

    def next_blow(self) -> Blow:
        """Draw the next fault."""
        draw = self._blows
        fault, part = _weighted(draw, _FAULTS), _weighted(draw, _PARTS)
        gap, pick, share = draw.uniform(0.2, 1.8), draw.random(), draw.random()
        longest = _LONGEST_STOP_SECONDS if fault == Fault.STOP else 3.0
        aimed = part if fault in (Fault.KILL, Fault.STOP) else None
        # mostly short ones, a few that outlast a lease
        return Blow(gap * self._gap, fault, aimed, pick, 0.1 + longest * share**2)

    def next_wish(self) -> Wish:
        """Draw the next job."""
        draw = self._wishes
        seed = draw.randrange(self._num_seeds)
        then = _weighted(draw, [("nothing", 8), ("cancel", 1), ("pause", 2)])
        return Wish(seed, then, draw.uniform(0.5, 12.0), draw.random() < 0.5)


def _weighted(draw: random.Random, options: list[tuple[OptionT, int]]) -> OptionT:
    names, weights = zip(*options, strict=True)
    return draw.choices(names, weights)[0]
