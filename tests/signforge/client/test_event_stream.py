import io

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from hypothesis import given, settings
from hypothesis import strategies as st

from signforge.client.event_stream import ServerSentEvent, parse

_NAMES = st.text("abcdefgh", min_size=1)
_LINES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]))
_EVENTS = st.builds(ServerSentEvent, type=_NAMES, data=st.lists(_LINES, min_size=1).map("\n".join), id=_NAMES)


@given(st.lists(_EVENTS))
@settings(deadline=None, max_examples=50)
def test_what_the_service_writes_is_read_back(events: list[ServerSentEvent]) -> None:
    wire = format_sse_event(retry=1000)
    for event in events:
        wire += KEEPALIVE_COMMENT + format_sse_event(data_str=event.data, event=event.type, id=event.id)
    lines = io.StringIO(wire.decode(), newline="\n").read().split("\n")
    assert list(parse(lines)) == events


def test_an_unfinished_event_is_dropped() -> None:
    assert list(parse(["id: 1", "event: log", "data: {}"])) == []


def test_an_event_without_a_type_is_a_message() -> None:
    assert list(parse(["data:a", "data: b", ""])) == [ServerSentEvent("message", "a\nb", None)]
