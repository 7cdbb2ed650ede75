"""What a supervisor reads: events among other output of a program, and commands."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.program.observer import parse_event
from worker.attempt.execution import Inbox, Message, StopRequest, read_commands, tail
from worker.attempt.verdict import StopReason


@given(st.text())
def test_noise_is_not_an_event(line: str) -> None:
    assert parse_event(line) is None


@pytest.mark.parametrize("line", ["1", "[]", "{}", '{"event": 1}', '{"event": "step"', "null"])
def test_other_json_is_not_an_event(line: str) -> None:
    assert parse_event(line) is None


def test_an_event_is_an_event() -> None:
    assert parse_event('{"event": "log", "message": "hello"}\n') == {"event": "log", "message": "hello"}


def test_commands_are_heard_and_the_end_of_input_means_drain() -> None:
    inbox = Inbox()
    read_commands(io.StringIO("nonsense\n\ncancel\n"), inbox, {"cancel": StopReason.CANCEL})
    heard: list[Message | None] = [inbox.get(5), inbox.get(5), inbox.get(0.01)]
    assert heard == [StopRequest(StopReason.CANCEL), StopRequest(StopReason.DRAIN), None]


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "program.log"
    assert tail(log) == ""
    log.write_bytes(b"x" * 5_000 + b"\xff last words\n")
    assert tail(log).endswith("last words")
    assert len(tail(log)) <= 2_000
