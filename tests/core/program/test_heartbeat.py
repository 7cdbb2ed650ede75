"""Heartbeats report progress and raise on a stop request."""

import io
import json

import pytest

from core.errors import Stopped
from core.program.heartbeat import Pulse, heartbeat, stop_if_requested
from core.program.observer import JsonLinesObserver, StopSwitch


def test_a_heartbeat_repeats_the_step_until_it_is_asked_to_stop() -> None:
    stream, switch = io.StringIO(), StopSwitch()
    beat = heartbeat(JsonLinesObserver(stream, switch), doing="probing", num_done=3)
    beat()
    beat()
    switch.throw()
    with pytest.raises(Stopped, match="Stopped while probing; nothing was written"):
        beat()
    assert [json.loads(line)["step"] for line in stream.getvalue().splitlines()] == [3, 3]


def test_work_continues_until_a_stop_request() -> None:
    switch = StopSwitch()
    observer = JsonLinesObserver(io.StringIO(), switch)
    stop_if_requested(observer, doing="importing")
    switch.throw()
    with pytest.raises(Stopped, match="while importing"):
        stop_if_requested(observer, doing="importing")


def test_a_pulse_reports_once_a_second_and_stops_at_any_call() -> None:
    stream, switch, now = io.StringIO(), StopSwitch(), [10.0]
    pulse = Pulse(JsonLinesObserver(stream, switch), doing="importing", clock=lambda: now[0])
    for seconds in (10.0, 10.9, 11.0, 11.5, 11.9, 13.0):
        now[0] = seconds
        pulse()
        pulse.count()
    assert [json.loads(line)["step"] for line in stream.getvalue().splitlines()] == [2, 5]
    switch.throw()
    with pytest.raises(Stopped, match="while importing"):
        pulse()
