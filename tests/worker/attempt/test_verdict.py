"""Every way a program can end, and the outcome of its job."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.jobs.states import Reason
from core.program.frame import EXIT_DONE, EXIT_FAILED, EXIT_REFUSED, EXIT_STOPPED
from worker.attempt.verdict import Fate, ProgramEnd, StopReason, judge

RESULT = {"steps": 3}
ABORTED = "memory allocation of 1073741824 bytes failed"
"""What a library in Rust prints before it aborts."""


@pytest.mark.parametrize(
    ("ending", "fate", "reason"),
    [
        (ProgramEnd(EXIT_DONE, result=RESULT), Fate.SUCCEEDED, None),
        (ProgramEnd(EXIT_DONE, stop_reason=StopReason.CANCEL, result=RESULT), Fate.SUCCEEDED, None),
        (ProgramEnd(EXIT_DONE), Fate.RETRY, Reason.INTERNAL_ERROR),
        (ProgramEnd(EXIT_REFUSED, error=("user_error", "m")), Fate.FAILED, Reason.USER_ERROR),
        (ProgramEnd(EXIT_REFUSED, error=("data_unusable", "m")), Fate.FAILED, Reason.DATA_UNUSABLE),
        (ProgramEnd(EXIT_REFUSED, error=("something new", "m")), Fate.FAILED, Reason.USER_ERROR),
        (ProgramEnd(EXIT_REFUSED, error=("storage_full", "m")), Fate.RETRY, Reason.STORAGE_FULL),
        (ProgramEnd(EXIT_REFUSED, error=("storage_away", "m")), Fate.RETRY, Reason.STORAGE_AWAY),
        (
            ProgramEnd(EXIT_REFUSED, error=("checkpoint_unusable", "m")),
            Fate.RETRY,
            Reason.CHECKPOINT_UNUSABLE,
        ),
        (ProgramEnd(EXIT_REFUSED, error=("worker_lost", "m")), Fate.RETRY, Reason.WORKER_LOST),
        (ProgramEnd(EXIT_REFUSED, error=("out_of_memory", "m")), Fate.FAILED, Reason.OUT_OF_MEMORY),
        (ProgramEnd(EXIT_REFUSED), Fate.RETRY, Reason.INTERNAL_ERROR),
        (ProgramEnd(EXIT_FAILED, error=("out_of_memory", "m")), Fate.FAILED, Reason.OUT_OF_MEMORY),
        (ProgramEnd(EXIT_REFUSED, error=("diverged", "m")), Fate.FAILED, Reason.DIVERGED),
        (ProgramEnd(-9, memory_ran_out=True), Fate.FAILED, Reason.OUT_OF_MEMORY),
        (ProgramEnd(-11, memory_ran_out=True), Fate.RETRY, Reason.WORKER_LOST),
        (ProgramEnd(-6, log_tail=ABORTED, memory_limit=2**30), Fate.FAILED, Reason.OUT_OF_MEMORY),
        (ProgramEnd(-6, log_tail=ABORTED), Fate.RETRY, Reason.WORKER_LOST),
        (ProgramEnd(-6, log_tail="assertion failed", memory_limit=2**30), Fate.RETRY, Reason.WORKER_LOST),
        (ProgramEnd(EXIT_STOPPED, stop_reason=StopReason.DEADLINE), Fate.FAILED, Reason.DEADLINE_EXCEEDED),
        (ProgramEnd(EXIT_FAILED, error=("internal_error", "m")), Fate.RETRY, Reason.INTERNAL_ERROR),
        (ProgramEnd(EXIT_FAILED), Fate.RETRY, Reason.INTERNAL_ERROR),
        (ProgramEnd(-9), Fate.RETRY, Reason.WORKER_LOST),
        (ProgramEnd(EXIT_STOPPED), Fate.RETRY, Reason.INTERNAL_ERROR),
        (ProgramEnd(EXIT_STOPPED, stop_reason=StopReason.CANCEL), Fate.CANCELLED, None),
        (ProgramEnd(-9, stop_reason=StopReason.CANCEL), Fate.CANCELLED, None),
        (ProgramEnd(EXIT_STOPPED, stop_reason=StopReason.PAUSE), Fate.PAUSED, None),
        (ProgramEnd(EXIT_STOPPED, stop_reason=StopReason.DRAIN), Fate.DRAINED, Reason.DRAINED),
        (ProgramEnd(-9, stop_reason=StopReason.DRAIN), Fate.DRAINED, Reason.DRAINED),
        (ProgramEnd(-9, stop_reason=StopReason.STALL), Fate.RETRY, Reason.STALLED),
    ],
)
def test_the_fates(ending: ProgramEnd, fate: Fate, reason: Reason | None) -> None:
    verdict = judge(ending)
    assert verdict.fate == fate
    assert reason is None or verdict.reason == reason


@given(st.integers(-64, 255), st.booleans())
def test_an_abandoned_job_is_not_written_about(exit_code: int, finished: bool) -> None:
    ending = ProgramEnd(exit_code, stop_reason=StopReason.ABANDON, result=RESULT if finished else None)
    assert judge(ending).fate == Fate.NOTHING


@given(st.integers(-64, 255), st.sampled_from([None, *StopReason]), st.booleans())
def test_nothing_succeeds_without_a_result_and_a_clean_exit(
    exit_code: int, stop_reason: StopReason | None, finished: bool
) -> None:
    verdict = judge(ProgramEnd(exit_code, stop_reason=stop_reason, result=RESULT if finished else None))
    assert verdict.fate != Fate.SUCCEEDED or (exit_code == 0 and finished)


def test_the_message_says_what_the_program_said() -> None:
    assert judge(ProgramEnd(EXIT_REFUSED, error=("user_error", "Too few clips."))).message == "Too few clips."
    assert "batch_size" in judge(ProgramEnd(EXIT_FAILED, error=("out_of_memory", "No memory."))).message
    assert "SIGSEGV" in judge(ProgramEnd(-11)).message
    assert "ValueError: x" in judge(ProgramEnd(EXIT_FAILED, log_tail="ValueError: x")).message


def test_a_program_that_reads_uploads_is_told_of_its_limit() -> None:
    ending = ProgramEnd(EXIT_FAILED, error=("out_of_memory", "No memory."), memory_limit=2**30)
    message = judge(ending).message
    assert message.startswith("No memory. A program that reads uploads gets at most 1073741824 bytes.")
    assert "batch_size" not in message
