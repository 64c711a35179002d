"""Watching the serving process from outside of every client: where its sockets connect to, and what it starts."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

_STARTS = {"subprocess.Popen", "os.system", "os.posix_spawn", "os.exec"}


@dataclass
class Watch:
    """What happened while it was on.

    Attributes:
        connected: the addresses that sockets of Python connected to. Postgres' driver has its own, in C.
        looked_up: the names that were looked up.
        started: the programs that were started.
    """

    connected: list[Any] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    on: bool = False

    def abroad(self, ports: Sequence[int]) -> list[Any]:
        """Return what was connected to or looked up, other than these ports of this machine, or started."""
        homes = {("127.0.0.1", port) for port in ports}
        out = [a for a in self.connected if not (isinstance(a, tuple) and tuple(a[:2]) in homes)]
        return [*out, *(name for name in self.looked_up if name not in {"127.0.0.1", "localhost"}), *self.started]

    def heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note an audit event."""
        if not self.on:
            return
        if event == "socket.connect":
            self.connected.append(arguments[1])
        elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
            self.looked_up.append(str(arguments[0]))
        elif event in _STARTS:
            self.started.append(str(arguments[0]))


_WATCH = Watch()
_HOOKED: list[Watch] = []


@contextmanager
def watching() -> Iterator[Watch]:
    """Watch for the length of the block. The hook itself can't be taken out of a process again."""
    if not _HOOKED:
        sys.addaudithook(_WATCH.heard)
        _HOOKED.append(_WATCH)
    _WATCH.connected.clear()
    _WATCH.looked_up.clear()
    _WATCH.started.clear()
    _WATCH.on = True
    try:
        yield _WATCH
    finally:
        _WATCH.on = False
