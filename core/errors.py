"""The one error tree. A message names the value, the limit and what to change.

SignforgeError
├── UserError              what the user gave cannot be used; retrying will not help
│   ├── SpecError          a specification does not say something we can do
│   ├── PoseError          pose points that are not a clip
│   ├── CorpusError        a corpus, or a file to make one from, is damaged or unfit
│   ├── SplitError         a split that leaks, or that leaves nothing to learn from
│   ├── EncoderError       an encoder file or its card is damaged or does not fit
│   ├── TooLarge           more bytes than a limit allows
│   ├── QuotaExceeded      an owner has as many things as they may have
│   ├── InUse              something that jobs which have not ended still need
│   ├── KeyNotRotatable    an API key that no new one can take the place of
│   └── ImpossibleTransition  a job in this state cannot do what was asked
├── CheckpointError        a checkpoint is damaged or belongs to another run
├── ArtifactError          an artifact is not in the store, or is not what was stored
├── StorageError           the disk is full or refuses to be written
│   └── StorageAway        the object store does not answer, or refuses us
├── DivergedError          the loss is no longer a finite number
├── EncoderMoved           an evaluation changed the encoder that it was to measure
├── KernelError            this machine cannot build or run the native kernels
├── RankFailed             a process of a run on several devices ended, and with it the others
├── LeaseLost              a job is no longer this worker's to write about
└── Stopped                the run was asked to stop and has saved its state
"""

import errno


class SignforgeError(Exception):
    """Anything signforge raises on purpose."""

    reason = "internal_error"


class UserError(SignforgeError):
    """What the user gave cannot be used; retrying will not help."""

    reason = "user_error"


class SpecError(UserError):
    """A specification does not say something we can do.

    `pointer` is the JSON pointer (RFC 6901) of the offending field, where one field is to blame.
    """

    def __init__(self, message: str, *, pointer: str = "") -> None:
        super().__init__(message)
        self.pointer = pointer


class PoseError(UserError):
    """Pose points that are not a clip."""


class CorpusError(UserError):
    """A corpus, or a file to make one from, is damaged or unfit."""

    reason = "data_unusable"


class SplitError(UserError):
    """A split that leaks, or that leaves nothing to learn from."""


class EncoderError(UserError):
    """An encoder file or its card is damaged or does not fit."""

    reason = "data_unusable"


class TooLarge(UserError):  # noqa: N818 - what it says is the fault
    """More bytes than a limit allows."""


class QuotaExceeded(UserError):  # noqa: N818 - what it says is the fault
    """An owner has as many things as they may have; `passes` where waiting helps."""

    def __init__(self, message: str, *, passes: bool) -> None:
        super().__init__(message)
        self.passes = passes


class InUse(UserError):  # noqa: N818 - what it says is the fault
    """Something cannot be deleted because the jobs `job_ids`, which have not ended, still need it."""

    def __init__(self, message: str, *, job_ids: list[str]) -> None:
        super().__init__(message)
        self.job_ids = job_ids


class KeyNotRotatable(UserError):  # noqa: N818 - what it says is the fault
    """An API key that no new one can take the place of: revoked, expired, or rotated already."""


class ImpossibleTransition(UserError):  # noqa: N818 - what it says is the fault
    """A job in this state cannot do what was asked; `state` is the state it is in."""

    def __init__(self, message: str, *, state: str) -> None:
        super().__init__(message)
        self.state = state


class CheckpointError(SignforgeError):
    """A checkpoint is damaged or belongs to another run."""

    reason = "checkpoint_unusable"


class ArtifactError(SignforgeError):
    """An artifact is not in the store (any more), or is not what was stored."""

    reason = "data_missing"


class StorageError(SignforgeError):
    """The disk is full or refuses to be written."""

    reason = "storage_full"


def is_disk_full(error: BaseException) -> bool:
    """Whether the system refused a write because the disk is full or the user's quota is used up."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


class StorageAway(StorageError):  # noqa: N818 - what it says is the fault
    """The object store does not answer, or refuses us; it may do so later."""

    reason = "storage_away"


class DivergedError(SignforgeError):
    """The loss is no longer a finite number; going on would only spoil the weights."""

    reason = "diverged"


class EncoderMoved(SignforgeError):  # noqa: N818 - what it says is the fault
    """An evaluation changed the encoder that it was to measure, so its scores would be of something else."""


class KernelError(SignforgeError):
    """This machine cannot build or run the native kernels."""

    reason = "user_error"


class RankFailed(SignforgeError):  # noqa: N818 - what it says is the fault
    """A process of a run on several devices ended, and with it the others.

    `reason` is the one that process gave; `worker_lost` where it could not give any.
    """

    def __init__(self, message: str, *, reason: str = "worker_lost") -> None:
        super().__init__(message)
        self.reason = reason


class LeaseLost(SignforgeError):  # noqa: N818 - what it says is the fault
    """A job is no longer this worker's to write about: stop its processes and write nothing."""

    reason = "worker_lost"


class Stopped(SignforgeError):  # noqa: N818 - it is a request obeyed, not a fault
    """The run was asked to stop and has saved its state."""

    reason = "stopped"
