"""Server-sent events, however the bytes arrive."""

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from server.cli.sse import Decoder, ServerEvent

STREAM = (
    "\ufeff: colony\n\n"
    "id: 1\nevent: stage.entered\ndata: {}\n\n"
    "id: 2\r\nevent:task.started\r\ndata: first\r\ndata: second\r\n\r\n"
    ": heartbeat\n\n"
    "event: message.delta\ndata: caf\u00e9 \U0001f605\r\r"
    "id: 3\ndata\n\n"
    "data: never dispatched"
).encode()
EVENTS = [
    ServerEvent("stage.entered", "{}", "1"),
    ServerEvent("task.started", "first\nsecond", "2"),
    ServerEvent("message.delta", "caf\u00e9 \U0001f605", "2"),
    ServerEvent("message", "", "3"),
]


@given(st.lists(st.integers(min_value=0, max_value=len(STREAM)), max_size=20))
def test_the_events_are_the_same_wherever_the_stream_is_cut(cuts):
    decoder = Decoder()
    marks = [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[a:b] for a, b in pairwise(marks)]
    assert [event for chunk in chunks for event in decoder.feed(chunk)] == EVENTS


def test_a_line_separator_in_what_a_customer_wrote_ends_no_line():
    text = "two\u2028lines\x85and\u2029more\x0b"
    data = json.dumps({"text": text}, ensure_ascii=False)
    (event,) = Decoder().feed(f"data: {data}\n\n".encode())
    assert json.loads(event.data)["text"] == text
