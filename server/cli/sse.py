"""Server-sent events, from bytes.

Lines end at CR, LF or CRLF only (WHATWG HTML, 9.2.6). `str.splitlines`, and httpx's line iterator with it, would also
break at U+2028 and its like, which a customer's message may well hold and JSON does not have to escape.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple

_LINE_END = re.compile(r"\r\n|\n|\r")


class ServerEvent(NamedTuple):
    """One dispatched event; ``last_id`` is the newest id so far, to resume after."""

    event: str
    data: str
    last_id: str


class Decoder:
    """Turns chunks, cut anywhere, into events."""

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self._text = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._rest = ""
        self._event = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[ServerEvent]:
        """Yield the events that this chunk completes."""
        self._rest += self._text.decode(chunk)
        start = 0
        for end in _LINE_END.finditer(self._rest):
            if end[0] == "\r" and end.end() == len(self._rest):
                break  # its LF may be the next chunk's first character
            line, start = self._rest[start : end.start()], end.end()
            if (event := self._take(line)) is not None:
                yield event
        self._rest = self._rest[start:]

    def _take(self, line: str) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._event = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self.last_id = value
            case _:
                pass  # comments have an empty name, other fields no meaning here
        return None

    def _dispatch(self) -> ServerEvent | None:
        event, data = self._event or "message", "\n".join(self._data)
        dispatched = bool(self._data)
        self._event, self._data = "", []
        return ServerEvent(event, data, self.last_id) if dispatched else None
