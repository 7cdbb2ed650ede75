"""What becomes of a job, given how its program ended: one pure function."""

import signal
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.jobs.states import Reason
from core.program.frame import EXIT_DONE, EXIT_REFUSED

RETRIED = frozenset(
    {
        Reason.STORAGE_FULL,
        Reason.STORAGE_AWAY,
        Reason.CHECKPOINT_UNUSABLE,
        Reason.WORKER_LOST,
        Reason.INTERNAL_ERROR,
    }
)
"""Refusals that may go away: space may be made, storage answer, an older checkpoint may do, a rank was lost.
What needs more memory than there is, or diverges, does so again."""

_LESS_MEMORY = "Lower run.batch_size or views.num_frames, or use a worker with more memory."
_DEADLINE = (
    "The job's deadline passed. What it saved is kept: a retry with a later deadline goes on from there."
)


class Asked(StrEnum):
    """Why a program was told to stop."""

    CANCEL = "cancel"
    PAUSE = "pause"
    DRAIN = "drain"
    STALL = "stall"
    DEADLINE = "deadline"
    ABANDON = "abandon"


@dataclass(frozen=True)
class ProgramEnd:
    """How a program ended: its exit code (negative: killed by that signal) and its last words."""

    exit_code: int
    asked: Asked | None = None
    result: dict[str, Any] | None = None
    error: tuple[str, str] | None = None
    """Reason and message of its `error` event."""
    log_tail: str = ""
    """The end of what it wrote to standard error."""
    memory_ran_out: bool = False
    """Whether the kernel killed a process around here for want of memory meanwhile."""


class Fate(StrEnum):
    """What is written about the job."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRY = "retry"
    DRAINED = "drained"
    CANCELLED = "cancelled"
    PAUSED = "paused"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Verdict:
    """A job's fate and, unless it is a happy one, why."""

    fate: Fate
    reason: Reason = Reason.INTERNAL_ERROR
    message: str = ""


def judge(ending: ProgramEnd) -> Verdict:
    """Decide a job's fate. Work that is done counts, even if somebody asked to stop at the last moment."""
    if ending.asked == Asked.ABANDON:
        return Verdict(Fate.NOTHING)
    if ending.exit_code == EXIT_DONE and ending.result is not None:
        return Verdict(Fate.SUCCEEDED)
    if ending.asked == Asked.CANCEL:
        return Verdict(Fate.CANCELLED, Reason.CANCELLED_BY_USER)
    if ending.asked == Asked.PAUSE:
        return Verdict(Fate.PAUSED)
    if ending.asked == Asked.DRAIN:
        return Verdict(Fate.DRAINED, Reason.DRAINED, "The worker was stopped; the job waits for another.")
    if ending.asked == Asked.STALL:
        return Verdict(Fate.RETRY, Reason.STALLED, "The program said nothing for too long and was killed.")
    if ending.asked == Asked.DEADLINE:
        return Verdict(Fate.FAILED, Reason.DEADLINE_EXCEEDED, _DEADLINE)
    return _refused(ending) if ending.exit_code == EXIT_REFUSED and ending.error else _crashed(ending)


def _refused(ending: ProgramEnd) -> Verdict:
    name, message = ending.error or ("", "")
    reason = Reason(name) if name in set(Reason) else Reason.USER_ERROR
    if reason == Reason.OUT_OF_MEMORY:  # of one rank of several
        message = f"{message.rstrip('.')}. {_LESS_MEMORY}"
    return Verdict(Fate.RETRY if reason in RETRIED else Fate.FAILED, reason, message)


def _crashed(ending: ProgramEnd) -> Verdict:
    if ending.error:
        name, message = ending.error
        if name == Reason.OUT_OF_MEMORY:
            return Verdict(Fate.FAILED, Reason.OUT_OF_MEMORY, f"{message.rstrip('.')}. {_LESS_MEMORY}")
        return Verdict(Fate.RETRY, Reason.INTERNAL_ERROR, message)
    if ending.exit_code == -signal.SIGKILL and ending.memory_ran_out:
        message = f"The kernel killed the program because memory ran out. {_LESS_MEMORY}"
        return Verdict(Fate.FAILED, Reason.OUT_OF_MEMORY, message)
    if ending.exit_code < 0:
        message = f"The program was killed by {_signal_name(-ending.exit_code)}."
        return Verdict(Fate.RETRY, Reason.WORKER_LOST, message)
    tail = f" It ended with: {ending.log_tail}" if ending.log_tail else ""
    message = f"The program ended with exit code {ending.exit_code} and no result.{tail}"
    return Verdict(Fate.RETRY, Reason.INTERNAL_ERROR, message)


def _signal_name(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
