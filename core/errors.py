"""Exceptions of signforge, in one tree. Each message names the value, the limit and what to change.

SignforgeError
├── UserError              the input cannot be used; retrying will not help
│   ├── SpecError          a specification is invalid
│   ├── PoseError          pose points do not form a valid clip
│   ├── CorpusError        a corpus, or a file to import, is damaged or unusable
│   ├── SplitError         a split has an overlap or an empty side
│   ├── EncoderError       an encoder file or its card is damaged or does not fit
│   ├── DatabaseTooNew         a newer version of signforge has upgraded the database
│   ├── TooLarge           the size in bytes is above a limit
│   ├── QuotaExceeded      an owner has reached a quota
│   ├── InUse              something cannot be deleted while active jobs need it
│   ├── KeyNotRotatable    an API key cannot be rotated
│   └── ImpossibleTransition  the request is not allowed in the job's current state
├── CheckpointError        a checkpoint is damaged or belongs to another run
├── ArtifactError          an artifact is missing from the store, or its content is not what was stored
├── StorageError           the disk is full or not writable
│   └── StorageAway        the object store is unavailable or rejects requests
├── DivergedError          the loss or a weight is not finite
├── EncoderMoved           an evaluation changed the encoder that it measures
├── KernelError            the native kernels cannot be built or loaded on this machine
├── RankFailed             a rank of a distributed run failed, and the others were ended
├── LeaseLost              this worker no longer holds the lease of the job
└── Stopped                the run was asked to stop
"""

import errno

LONGEST_MESSAGE = 1900
"""Characters of a message to a user; of a longer one the middle is left out."""


class SignforgeError(Exception):
    """Base class of all errors that signforge raises on purpose."""

    reason = "internal_error"


class UserError(SignforgeError):
    """The input cannot be used; retrying will not help.

    The middle of a very long message is left out: it quotes what a file holds.
    """

    reason = "user_error"

    def __init__(self, message: str = "") -> None:
        super().__init__(_without_middle(message))


def _without_middle(message: str) -> str:
    left_out = len(message) - LONGEST_MESSAGE
    if left_out <= 0:
        return message
    half = LONGEST_MESSAGE // 2
    return f"{message[:half]}... ({left_out} characters left out) ...{message[-half:]}"


class SpecError(UserError):
    """A specification is invalid.

    `pointer` is the JSON pointer (RFC 6901) of the invalid field; empty if it is not a single field.
    """

    def __init__(self, message: str, *, pointer: str = "") -> None:
        super().__init__(message)
        self.pointer = pointer


class PoseError(UserError):
    """Pose points do not form a valid clip."""


class CorpusError(UserError):
    """A corpus, or a file to import, is damaged or unusable."""

    reason = "data_unusable"


class SplitError(UserError):
    """A split has an overlap or an empty side."""


class EncoderError(UserError):
    """An encoder file or its card is damaged or does not fit."""

    reason = "data_unusable"


class DatabaseTooNew(UserError):  # noqa: N818 - the name states the error
    """A newer version of signforge has upgraded the database, so this one must not use it."""


class TooLarge(UserError):  # noqa: N818 - the name states the error
    """The size in bytes is above a limit."""


class QuotaExceeded(UserError):  # noqa: N818 - the name states the error
    """An owner has reached a quota; `passes` is True if waiting helps."""

    def __init__(self, message: str, *, passes: bool) -> None:
        super().__init__(message)
        self.passes = passes


class InUse(UserError):  # noqa: N818 - the name states the error
    """Something cannot be deleted because the active jobs `job_ids` still need it."""

    def __init__(self, message: str, *, job_ids: list[str]) -> None:
        super().__init__(message)
        self.job_ids = job_ids


class KeyNotRotatable(UserError):  # noqa: N818 - the name states the error
    """An API key cannot be rotated, because it is revoked, expired, or already rotated."""


class ImpossibleTransition(UserError):  # noqa: N818 - the name states the error
    """The request is not allowed in the job's current state, which is `state`."""

    def __init__(self, message: str, *, state: str) -> None:
        super().__init__(message)
        self.state = state


class CheckpointError(SignforgeError):
    """A checkpoint is damaged or belongs to another run."""

    reason = "checkpoint_unusable"


class ArtifactError(SignforgeError):
    """An artifact is missing from the store, or its content is not what was stored."""

    reason = "data_missing"


class StorageError(SignforgeError):
    """The disk is full or not writable."""

    reason = "storage_full"


def is_disk_full(error: BaseException) -> bool:
    """Whether a write failed because the disk is full or the user's disk quota is used up."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: an error of Python, or one of PyTorch on a device or on the CPU."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or (isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error))


class StorageAway(StorageError):  # noqa: N818 - the name states the error
    """The object store is unavailable or rejects requests; a retry may succeed."""

    reason = "storage_away"


class DivergedError(SignforgeError):
    """The loss or a weight is not finite, so training cannot continue."""

    reason = "diverged"


class EncoderMoved(SignforgeError):  # noqa: N818 - the name states the error
    """An evaluation changed the encoder that it measures, so its scores would be invalid."""


class KernelError(SignforgeError):
    """The native kernels cannot be built or loaded on this machine."""

    reason = "user_error"


class RankFailed(SignforgeError):  # noqa: N818 - the name states the error
    """A rank of a distributed run failed, and the other ranks were ended.

    `reason` is the reason that the failed rank reported; `worker_lost` if it reported none.
    """

    def __init__(self, message: str, *, reason: str = "worker_lost") -> None:
        super().__init__(message)
        self.reason = reason


class LeaseLost(SignforgeError):  # noqa: N818 - the name states the error
    """This worker no longer holds the lease of a job: stop its processes and write nothing."""

    reason = "worker_lost"


class Stopped(SignforgeError):  # noqa: N818 - a stop on request is not an error
    """The run was asked to stop; it has saved its state if it keeps checkpoints."""

    reason = "stopped"
