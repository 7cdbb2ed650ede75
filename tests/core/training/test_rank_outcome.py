"""The outcome of a distributed run from the exit codes and events of its ranks."""

import signal

import pytest

from core.errors import RankFailed, Stopped
from core.program.observer import parse_event
from core.training.rank_outcome import RankEvent, outcome

DONE = RankEvent(0, {"event": "result", "sha256": "d", "steps": 3})
FULL = RankEvent(1, {"event": "error", "reason": "storage_full", "message": "No room."})
COMPLAINT = RankEvent(
    0, {"event": "error", "reason": "internal_error", "message": "Connection closed by peer."}
)
STOPPED = RankEvent(1, {"event": "stopped", "message": "Stopped at step 4 of 9."})


def test_rank_0_returns_the_result() -> None:
    assert outcome({0: 0, 1: 0}, [DONE], asked_to_stop=False) == {"sha256": "d", "steps": 3}
    assert outcome({0: 0, 1: 0}, [DONE], asked_to_stop=True)["steps"] == 3, "done just before the stop"


def test_the_first_error_counts_with_its_reason() -> None:
    with pytest.raises(RankFailed, match=r"Rank 1: No room\.") as failed:
        outcome({0: 1, 1: 2}, [FULL, COMPLAINT], asked_to_stop=False)
    assert failed.value.reason == "storage_full"


def test_a_killed_rank_takes_precedence_over_errors() -> None:
    with pytest.raises(RankFailed, match="Rank 1 was killed by SIGKILL") as failed:
        outcome({0: 1, 1: -signal.SIGKILL}, [COMPLAINT], asked_to_stop=False)
    assert failed.value.reason == "worker_lost"


def test_stopping_is_no_failure() -> None:
    with pytest.raises(Stopped, match="step 4 of 9"):
        outcome({0: 75, 1: 75}, [STOPPED], asked_to_stop=True)
    with pytest.raises(Stopped, match="before training"):
        outcome({1: -signal.SIGTERM}, [], asked_to_stop=True)


@pytest.mark.parametrize("exit_codes", [{0: 0, 1: 3}, {0: 0, 1: 0}])
def test_no_result_is_a_failure(exit_codes: dict[int, int]) -> None:
    with pytest.raises(RankFailed, match=r"exit code 3|without a result"):
        outcome(exit_codes, [], asked_to_stop=False)


def test_other_output_is_not_an_event() -> None:
    assert parse_event('{"event": "log", "message": "x"}') == {"event": "log", "message": "x"}
    assert [parse_event(line) for line in ("NCCL INFO", "[]", '{"event": 3}', "")] == [None] * 4
