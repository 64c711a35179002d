"""A second reader of server-sent events, written from the WHATWG's text and from nothing of ours."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Frame:
    event: str
    data: str
    id: str


class Parser:
    """Takes bytes in any pieces; gives whole events, and keeps comments apart."""

    def __init__(self) -> None:
        self.comments: list[str] = []
        self._rest, self._seen = bytearray(), 0
        self._event, self._data, self._id = "", [], ""

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        self._rest += chunk
        # A CR at the end may be the first half of a CRLF.
        while (end := self._line_end()) is not None:
            line = bytes(self._rest[: end[0]])
            del self._rest[: end[1]]
            self._seen = 0
            yield from self._line(line.decode("utf-8"))

    def _line_end(self) -> tuple[int, int] | None:
        found = [at for at in (self._rest.find(end, self._seen) for end in (b"\n", b"\r")) if at >= 0]
        self._seen = min(found, default=len(self._rest))
        if not found or (self._rest[self._seen] == 13 and self._seen + 1 == len(self._rest)):
            return None
        return self._seen, self._seen + (2 if self._rest[self._seen : self._seen + 2] == b"\r\n" else 1)

    def _line(self, line: str) -> Iterator[Frame]:
        if not line:
            if self._data:
                yield Frame(self._event or "message", "\n".join(self._data), self._id)
            self._event, self._data = "", []
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not name:
            self.comments.append(value)
        elif name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\x00" not in value:
            self._id = value
