"""A real HTTP server that replays recorded answers of the two wire protocols, whole, broken off or without usage."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.adapters.models.frames import Call, streamed

RECORDINGS = Path(__file__).parent / "recordings"
GOOD = {"FactSheet": "facts", "Engagement": "engagement", "CitedAnswer": "answer"}
_ENDS = {"openai": '"finish_reason":"', "anthropic": "event: message_delta"}


@dataclass(frozen=True)
class Reply:
    """One answer: a recording's name, and what becomes of it on the way.

    Attributes:
        cut: ``abrupt`` loses the connection halfway, ``clean`` ends the body before the frame that says why it ended.
        usage: whether the answer says how many tokens it took.
        held: the answer never comes.
        paced: the answer comes frame by frame, whenever ``Wire.pace`` is released.
        calls: the answer makes these calls, instead of being a recording.
    """

    recording: str = "facts"
    headers: dict[str, str] = field(default_factory=dict)
    status: int | None = None
    cut: str = ""
    usage: bool = True
    held: bool = False
    paced: bool = False
    calls: tuple[Call, ...] = ()


class Wire:
    """What was asked, and what will be answered; a tool's last reply is repeated."""

    def __init__(self, provider: str, host: str) -> None:
        self.host = host
        self.provider = provider
        self.port = 0
        self.journal: list[dict[str, Any]] = []
        self.replies: dict[str, list[Reply]] = {}
        self.asked = asyncio.Event()
        self.pace = asyncio.Semaphore(0)
        self._recordings = json.loads((RECORDINGS / f"{provider}.json").read_text(encoding="utf-8"))

    @property
    def base_url(self) -> str:
        return f"http://{self.host}:{self.port}" + ("/v1" if self.provider == "openai" else "")

    def route(self, **changes: Any) -> dict[str, Any]:
        """Return the entry of a routes file that leads here."""
        entry = {"provider": self.provider, "model": "steady", "base_url": self.base_url, "max_tokens": 1_000}
        return entry | {"price_in": 3.0, "price_out": 15.0, "timeout_ms": 5_000} | changes

    def script(self, tool: str, *replies: Reply) -> None:
        self.replies[tool] = list(replies)

    def reword(self, was: str, now: str) -> None:
        """Let the model say something else, the first time that it says this."""
        body = self._recordings["facts"]["body"]
        self._recordings["facts"]["body"] = body.replace(was, now, 1)

    def _next(self, tool: str) -> Reply:
        as_it_is = Reply(calls=((tool, {"parts": [], "drop": []}),))
        usual = as_it_is if tool == "PlanRefinement" else Reply(GOOD.get(tool, "unavailable"))
        left = self.replies.get(tool) or [usual]
        return left.pop(0) if len(left) > 1 else left[0]

    def _body(self, reply: Reply) -> tuple[int, dict[str, str], str]:
        recorded = self._recordings[reply.recording]
        body = streamed(self.provider, reply.calls) if reply.calls else recorded["body"]
        if not reply.usage:
            body = re.sub(r'data: [^\n]*"choices":\[\],"usage"[^\n]*\n\n', "", body)
            body = re.sub(
                r'"input_tokens":\d+,|(?<="output_tokens":)\d+', lambda m: "0" if m[0].isdigit() else "", body
            )
        if reply.cut == "clean":
            body = body[: body.rindex("\n\n", 0, body.rindex(_ENDS[self.provider])) + 2]
        return reply.status or recorded["status"], recorded["headers"] | reply.headers, body

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head.split("\r\n")[1:])}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or b"{}")
        tool = body.get("tools", [{}])[0]
        name = tool.get("name") or tool.get("function", {}).get("name", "")
        self.journal.append({"path": head.split(" ")[1], "headers": headers, "body": body, "tool": name})
        reply = self._next(name)
        self.asked.set()
        if reply.held:
            await reader.read()
        else:
            await self._answer(writer, reply)
            await writer.drain()
        writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
        status, headers, text = self._body(reply)
        lines = [f"HTTP/1.1 {status} Recorded", "Transfer-Encoding: chunked", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        data = text.encode()
        data = data[: len(data) // 2] if reply.cut == "abrupt" else data
        for part in data.split(b"\n\n") if reply.paced else ():
            await self.pace.acquire()
            writer.write(f"{len(part) + 2:x}\r\n".encode() + part + b"\n\n\r\n")
            await writer.drain()
        if not reply.paced:
            writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        if reply.cut != "abrupt":
            writer.write(b"0\r\n\r\n")


@asynccontextmanager
async def replaying(provider: str, host: str = "127.0.0.1") -> AsyncIterator[Wire]:
    """Serve recorded answers on a free port of this machine."""
    wire = Wire(provider, host)
    server = await asyncio.start_server(wire.handle, host, 0)
    wire.port = server.sockets[0].getsockname()[1]
    async with server:
        yield wire
