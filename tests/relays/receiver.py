"""A real HTTP receiver of webhooks, which answers as a test says, and the check that a receiver should make."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@dataclass(frozen=True)
class Post:
    """One post as it came in, and the loop's time at which it did."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def event_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def said(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


Answer = Callable[[Post], tuple[int, dict[str, str]]]


def accept(_post: Post) -> tuple[int, dict[str, str]]:
    return 204, {}


@dataclass
class Receiver:
    """Keeps every post; ``answer`` says how it is answered."""

    url: str = ""
    answer: Answer = accept
    posts: list[Post] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode("latin-1").strip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                post = Post(first.split(" ")[1], headers, body, asyncio.get_running_loop().time())
                self.posts.append(post)
                status, more = self.answer(post)
                said = "".join(f"{name}: {value}\r\n" for name, value in more.items())
                writer.write(f"HTTP/1.1 {status} x\r\n{said}content-length: 0\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the caller has gone
        finally:
            writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Receive webhooks on loopback for the block."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks/colony"
    try:
        yield receiver
    finally:
        server.close()


def is_authentic(post: Post, secret: str = SECRET) -> bool:
    """Check a post's signature as its receiver should; docs/events.md shows the same."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{post.headers['webhook-id']}.{post.headers['webhook-timestamp']}.".encode() + post.body
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    given = post.headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(signature, f"v1,{expected}") for signature in given)
