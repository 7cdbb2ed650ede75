"""Decides the outcome of an attempt from how its program ended, as a pure function."""

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
"""Errors that a retry may fix: a full disk, a storage outage, a damaged checkpoint (an older one is used), a
lost rank. Running out of memory and divergence are not retried, since they recur."""

_LESS_MEMORY = "Lower run.batch_size or views.num_frames, or use a worker with more memory."
_ALLOCATION_FAILED = ("memory allocation of", "bad_alloc", "out of memory", "allocate memory")
"""What libraries print before they end a process that gets no memory."""
_DEADLINE = (
    "The job's deadline passed. Its last checkpoint is kept. Retry the job with a later deadline to resume."
)


class StopReason(StrEnum):
    """Why a program is stopped."""

    CANCEL = "cancel"
    PAUSE = "pause"
    DRAIN = "drain"
    STALL = "stall"
    DEADLINE = "deadline"
    ABANDON = "abandon"


@dataclass(frozen=True)
class ProgramEnd:
    """How a program ended: its exit code (negative: killed by that signal) and its last output."""

    exit_code: int
    stop_reason: StopReason | None = None
    result: dict[str, Any] | None = None
    error: tuple[str, str] | None = None
    """Reason and message of its `error` event."""
    log_tail: str = ""
    """The last part of its standard error."""
    memory_ran_out: bool = False
    """Whether the kernel's OOM killer killed a process in this control group during the run."""
    memory_limit: int | None = None
    """Bytes of private memory that the program could get, if it was limited."""


class Fate(StrEnum):
    """What the last write does to the job."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRY = "retry"
    DRAINED = "drained"
    CANCELLED = "cancelled"
    PAUSED = "paused"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Verdict:
    """A job's fate and, unless it succeeded, the reason."""

    fate: Fate
    reason: Reason = Reason.INTERNAL_ERROR
    message: str = ""


def judge(ending: ProgramEnd) -> Verdict:
    """Decide a job's fate. A finished result counts even if a stop was requested just before."""
    if ending.stop_reason == StopReason.ABANDON:
        return Verdict(Fate.NOTHING)
    if ending.exit_code == EXIT_DONE and ending.result is not None:
        return Verdict(Fate.SUCCEEDED)
    if ending.stop_reason == StopReason.CANCEL:
        return Verdict(Fate.CANCELLED, Reason.CANCELLED_BY_USER)
    if ending.stop_reason == StopReason.PAUSE:
        return Verdict(Fate.PAUSED)
    if ending.stop_reason == StopReason.DRAIN:
        return Verdict(Fate.DRAINED, Reason.DRAINED, "The worker was stopped. The job is queued again.")
    if ending.stop_reason == StopReason.STALL:
        message = "The program was killed: it sent no event within SIGNFORGE_STALL_SECONDS."
        return Verdict(Fate.RETRY, Reason.STALLED, message)
    if ending.stop_reason == StopReason.DEADLINE:
        return Verdict(Fate.FAILED, Reason.DEADLINE_EXCEEDED, _DEADLINE)
    return _refused(ending) if ending.exit_code == EXIT_REFUSED and ending.error else _crashed(ending)


def _refused(ending: ProgramEnd) -> Verdict:
    name, message = ending.error or ("", "")
    reason = Reason(name) if name in set(Reason) else Reason.USER_ERROR
    if reason == Reason.OUT_OF_MEMORY:  # of one of several ranks
        message = f"{message.rstrip('.')}. {_less_memory(ending)}"
    return Verdict(Fate.RETRY if reason in RETRIED else Fate.FAILED, reason, message)


def _crashed(ending: ProgramEnd) -> Verdict:
    if ending.error:
        name, message = ending.error
        if name == Reason.OUT_OF_MEMORY:
            message = f"{message.rstrip('.')}. {_less_memory(ending)}"
            return Verdict(Fate.FAILED, Reason.OUT_OF_MEMORY, message)
        return Verdict(Fate.RETRY, Reason.INTERNAL_ERROR, message)
    if ending.exit_code == -signal.SIGKILL and ending.memory_ran_out:
        message = f"The kernel killed the program because memory ran out. {_less_memory(ending)}"
        return Verdict(Fate.FAILED, Reason.OUT_OF_MEMORY, message)
    if _ended_without_memory(ending):
        message = f"The program ended because it got no more memory. {_less_memory(ending)}"
        return Verdict(Fate.FAILED, Reason.OUT_OF_MEMORY, message)
    if ending.exit_code < 0:
        message = f"The program was killed by {_signal_name(-ending.exit_code)}."
        return Verdict(Fate.RETRY, Reason.WORKER_LOST, message)
    tail = f" Last output: {ending.log_tail}" if ending.log_tail else ""
    message = f"The program exited with code {ending.exit_code} and no result.{tail}"
    return Verdict(Fate.RETRY, Reason.INTERNAL_ERROR, message)


def _ended_without_memory(ending: ProgramEnd) -> bool:
    """Whether a library ended the process at the limit; not all of them raise an error."""
    ended = ending.memory_limit is not None and ending.exit_code in (-signal.SIGABRT, -signal.SIGSEGV)
    return ended and any(words in ending.log_tail for words in _ALLOCATION_FAILED)


def _less_memory(ending: ProgramEnd) -> str:
    if ending.memory_limit is None:
        return _LESS_MEMORY
    return (
        f"A program that reads uploads gets at most {ending.memory_limit} bytes. Split the file up, or raise "
        "SIGNFORGE_IMPORT_MEMORY_BYTES."
    )


def _signal_name(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
