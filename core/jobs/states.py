"""The state machine of jobs: states, reasons, and the table of allowed transitions."""

from enum import StrEnum


class State(StrEnum):
    """State of a job."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Actor(StrEnum):
    """Process that may write a transition."""

    API = "api"
    CLAIM = "claim"
    HOLDER = "holder"
    REAPER = "reaper"


class Reason(StrEnum):
    """Why a job is in its state, from a closed list."""

    USER_ERROR = "user_error"
    DATA_UNUSABLE = "data_unusable"
    DATA_MISSING = "data_missing"
    CHECKPOINT_UNUSABLE = "checkpoint_unusable"
    OUT_OF_MEMORY = "out_of_memory"
    STORAGE_FULL = "storage_full"
    STORAGE_AWAY = "storage_away"
    DIVERGED = "diverged"
    WORKER_LOST = "worker_lost"
    DRAINED = "drained"
    STALLED = "stalled"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    INTERNAL_ERROR = "internal_error"
    CANCELLED_BY_USER = "cancelled_by_user"


FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
HELD = frozenset({State.STARTING, State.RUNNING, State.PAUSING, State.CANCELLING})
"""States in which a worker holds a lease."""

_S, _A = State, Actor
TRANSITIONS: dict[tuple[State, State], frozenset[Actor]] = {
    (_S.QUEUED, _S.STARTING): frozenset({_A.CLAIM}),
    (_S.STARTING, _S.RUNNING): frozenset({_A.HOLDER}),
    (_S.QUEUED, _S.CANCELLED): frozenset({_A.API}),
    (_S.PAUSED, _S.CANCELLED): frozenset({_A.API}),
    (_S.STARTING, _S.CANCELLING): frozenset({_A.API}),
    (_S.RUNNING, _S.CANCELLING): frozenset({_A.API}),
    (_S.PAUSING, _S.CANCELLING): frozenset({_A.API}),
    (_S.STARTING, _S.PAUSING): frozenset({_A.API}),
    (_S.RUNNING, _S.PAUSING): frozenset({_A.API}),
    (_S.CANCELLING, _S.CANCELLED): frozenset({_A.HOLDER, _A.REAPER}),
    (_S.PAUSING, _S.PAUSED): frozenset({_A.HOLDER, _A.REAPER}),
    (_S.PAUSED, _S.QUEUED): frozenset({_A.API}),
    (_S.RUNNING, _S.SUCCEEDED): frozenset({_A.HOLDER}),
    (_S.STARTING, _S.QUEUED): frozenset({_A.HOLDER, _A.REAPER}),
    (_S.RUNNING, _S.QUEUED): frozenset({_A.HOLDER, _A.REAPER}),
    (_S.STARTING, _S.FAILED): frozenset({_A.HOLDER, _A.REAPER}),
    (_S.RUNNING, _S.FAILED): frozenset({_A.HOLDER, _A.REAPER}),
    (_S.QUEUED, _S.FAILED): frozenset({_A.REAPER}),
    (_S.PAUSED, _S.FAILED): frozenset({_A.REAPER}),
}
"""(from, to) -> actors that may write it. All other transitions are impossible."""


def may(actor: Actor, *, origin: State, target: State) -> bool:
    """Whether `actor` may move a job from `origin` to `target`."""
    return actor in TRANSITIONS.get((origin, target), frozenset())


def origins(actor: Actor, target: State) -> frozenset[State]:
    """The states from which `actor` may move a job to `target`."""
    return frozenset(
        origin for (origin, to), actors in TRANSITIONS.items() if to == target and actor in actors
    )
