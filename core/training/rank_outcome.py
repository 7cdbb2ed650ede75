"""Outcome of a distributed run, from the exit codes and final events of its ranks: pure functions."""

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
    """Whether this exit code of a rank is a failure, after which the other ranks cannot continue."""
    return exit_code not in (EXIT_DONE, EXIT_STOPPED)


def outcome(
    exit_codes: Mapping[int, int], final_events: Sequence[RankEvent], *, asked_to_stop: bool
) -> dict[str, Any]:
    """Return the run's result.

    `exit_codes`: of the ranks that ended by themselves; negative if by a signal. `final_events`: their
    `result`, `error` and `stopped` events in order of arrival. A killed rank is the cause, even if other
    ranks report errors. Otherwise the first error is the cause; later ones report lost connections.

    Raises:
        Stopped: the ranks were asked to stop, and did.
        RankFailed: a rank failed; the message names it.
    """
    killed = {rank: -code for rank, code in exit_codes.items() if code < 0}
    if asked_to_stop and signal.SIGTERM in killed.values():
        raise Stopped("Stopped before training had begun.")
    for rank, number in killed.items():
        raise RankFailed(f"Rank {rank} was killed by {_name(number)} (possibly out of memory).")
    for final in _of("error", final_events):
        message = f"Rank {final.rank}: {final.event['message']}"
        raise RankFailed(message, reason=str(final.event["reason"]))
    for rank, code in exit_codes.items():
        if is_failure(code):
            raise RankFailed(f"Rank {rank} ended with exit code {code} and without an error message.")
    for final in _of("stopped", final_events):
        raise Stopped(str(final.event["message"]))
    for final in _of("result", final_events):
        return {name: value for name, value in final.event.items() if name != "event"}
    raise RankFailed("The ranks ended without a result.")


def _of(kind: str, final_events: Sequence[RankEvent]) -> list[RankEvent]:
    return [final for final in final_events if final.event["event"] == kind]


def _name(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
