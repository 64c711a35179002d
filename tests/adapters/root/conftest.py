"""A root made of nothing but a socket: it answers as it is told to, and remembers what it was asked."""

import asyncio
import socket
from collections import deque

import pytest
import pytest_asyncio

from adapters.root.client import Patience, RootClient


def http_answer(status, body=b"{}", **headers):
    """One whole HTTP answer as bytes; header names are given with underscores."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


HANG = object()
"""Instead of an answer: take the request and say nothing until the client has gone."""
CLOSE = object()
"""Instead of an answer: take the request and close the connection."""


class ScriptedRoot:
    """Gives its answers in turn, the last of them for ever."""

    def __init__(self):
        self.script = deque()
        self.requests = []
        self.url = ""

    def answers(self, *script):
        self.script = deque(script)

    async def handle(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(h[15:]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")), 0)
        self.requests.append((head, await reader.readexactly(length)))
        answer = self.script.popleft() if len(self.script) > 1 else self.script[0]
        if answer is HANG:
            await reader.read()
        elif answer is not CLOSE:
            writer.write(answer)
            await writer.drain()
        writer.close()

    @property
    def asked_for(self):
        return [head.split(b"\r\n")[0].decode() for head, _ in self.requests]


@pytest_asyncio.fixture
async def root():
    root = ScriptedRoot()
    server = await asyncio.start_server(root.handle, "127.0.0.1", 0)
    root.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/root"
    yield root
    server.close()


@pytest_asyncio.fixture
async def client(root):
    client = RootClient(root.url, patience=Patience(total_s=5, backoff_s=0.001))
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def hasty(root):
    """A client that gives up after a twentieth of a second."""
    client = RootClient(root.url, patience=Patience(total_s=0.05, backoff_s=0.001))
    yield client
    await client.aclose()


@pytest.fixture
def dead_url():
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
