"""Heartbeats report progress and raise on a stop request."""

import io
import json

import pytest

from core.errors import Stopped
from core.program.heartbeat import heartbeat, stop_if_requested
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
