"""A small real HTTP server between a worker and the root, where a test can hold an answer back or act in between."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

_HOP_BY_HOP = {"connection", "content-length", "transfer-encoding", "host", "content-encoding", "accept-encoding"}


@dataclass(frozen=True)
class Call:
    """One call as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def writes(self) -> bool:
        return self.method != "GET"


Hook = Callable[[Call], Awaitable[None]]


async def _at_once(_call: Call) -> None:
    return None


@dataclass
class RootProxy:
    """Forwards every call. ``before`` is awaited before it goes on, ``after`` before the root's answer goes back."""

    upstream: str
    base: str = ""
    before: Hook = _at_once
    after: Hook = _at_once
    seen: list[Call] = field(default_factory=list)
    open: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            call = await read_call(reader)
            self.seen.append(call)
            await self.before(call)
            writer.write(await self._forwarded(call))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the caller has gone
        finally:
            self.open -= 1
            writer.close()

    async def _forwarded(self, call: Call) -> bytes:
        async with httpx.AsyncClient(timeout=30) as client:
            headers = {k: v for k, v in call.headers.items() if k not in _HOP_BY_HOP}
            answer = await client.request(call.method, self.upstream + call.path, headers=headers, content=call.body)
        await self.after(call)
        kept = [f"{k}: {v}" for k, v in answer.headers.items() if k not in _HOP_BY_HOP]
        head = [
            f"HTTP/1.1 {answer.status_code} x",
            *kept,
            f"content-length: {len(answer.content)}",
            "connection: close",
        ]
        return "\r\n".join([*head, "", ""]).encode() + answer.content


async def read_call(reader: asyncio.StreamReader) -> Call:
    """Read one call off a connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    return Call(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))


@asynccontextmanager
async def proxied(upstream: str) -> AsyncIterator[RootProxy]:
    """Serve a proxy in front of a root for the block."""
    proxy = RootProxy(upstream)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
