"""What became of a run, given how its ranks ended: pure functions."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import RankFailed, Stopped
from core.program.frame import EXIT_DONE, EXIT_STOPPED

Event = Mapping[str, Any]


@dataclass(frozen=True)
class RankEvent:
    """An event that a rank wrote."""

    rank: int
    event: Event


def is_failure(exit_code: int) -> bool:
    """Whether the other ranks cannot go on without one that ended like this."""
    return exit_code not in (EXIT_DONE, EXIT_STOPPED)


def outcome(
    exit_codes: Mapping[int, int], last_words: Sequence[RankEvent], *, asked_to_stop: bool
) -> dict[str, Any]:
    """Return the run's result.

    `exit_codes`: of the ranks that ended by themselves, negative where by a signal. `last_words`: their
    `result`, `error` and `stopped` events in the order heard. The first error counts: those after it are
    other ranks' complaints that one is gone. But a rank that was killed says nothing and comes before them.

    Raises:
        Stopped: they were asked to stop, and did.
        RankFailed: one of them failed; it is named.
    """
    killed = {rank: -code for rank, code in exit_codes.items() if code < 0}
    if asked_to_stop and signal.SIGTERM in killed.values():
        raise Stopped("Stopped before training had begun.")
    for rank, number in killed.items():
        raise RankFailed(f"Rank {rank} was killed by {_name(number)} (perhaps memory ran out).")
    for heard in _of("error", last_words):
        message = f"Rank {heard.rank}: {heard.event['message']}"
        raise RankFailed(message, reason=str(heard.event["reason"]))
    for rank, code in exit_codes.items():
        if is_failure(code):
            raise RankFailed(f"Rank {rank} ended with exit code {code} and no word.")
    for heard in _of("stopped", last_words):
        raise Stopped(str(heard.event["message"]))
    for heard in _of("result", last_words):
        return {name: value for name, value in heard.event.items() if name != "event"}
    raise RankFailed("The ranks ended without a result.")


def _of(kind: str, last_words: Sequence[RankEvent]) -> list[RankEvent]:
    return [heard for heard in last_words if heard.event["event"] == kind]


def _name(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
