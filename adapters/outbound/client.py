"""HTTP clients behind a gate.

The gate sits where connections are made, below redirects and pools: whatever a client does, it reaches no address that
was not judged. Nothing is unpacked, so that a small answer can't become a large one, and an answer has a largest size.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from functools import cache
from typing import Any, TypeVar

import httpcore
import httpcore2
import httpx
import httpx2

from adapters.outbound.gate import Gate
from contracts.errors import DestinationRefused

ClientT = TypeVar("ClientT", httpx.AsyncClient, httpx2.AsyncClient)
MOST_BYTES = 64 * 1024 * 1024
"""The largest answer that is read; a caller may stop earlier."""


class GatedBackend:
    """Makes a client's connections: the host is looked up once, judged, and the address that was judged is called."""

    def __init__(self, inner: Any, gate: Gate, unreachable: type[Exception], late: type[Exception]) -> None:
        self._inner = inner
        self._gate = gate
        self._unreachable = unreachable
        self._late = late

    async def connect_tcp(self, host: str, port: int, timeout: float | None = None, **more: Any) -> Any:  # noqa: ASYNC109
        """Connect to the first address that answers; all of them within the timeout, in seconds."""
        until = None if timeout is None else time.monotonic() + timeout
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._gate.admitted(host, port)
        except TimeoutError as exc:
            raise self._late("the name was not looked up in time") from exc
        except (OSError, UnicodeError, ValueError) as exc:
            raise self._unreachable("the name can't be looked up") from exc
        for address in addresses:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                raise self._late("no address answered in time")
            try:
                return await self._inner.connect_tcp(address, port, timeout=left, **more)
            except (self._unreachable, self._late):
                if address == addresses[-1]:
                    raise
        raise self._unreachable("there is no address")

    async def connect_unix_socket(self, *_: Any, **__: Any) -> Any:
        """Refuse: no service is reached like that."""
        raise DestinationRefused("a call would have gone to a local socket")

    async def sleep(self, seconds: float) -> None:
        """Wait between two attempts."""
        await self._inner.sleep(seconds)


class _Bounded(httpx.AsyncByteStream, httpx2.AsyncByteStream):
    """An answer's body, up to the largest size."""

    def __init__(self, inner: Any, most: int, too_large: Callable[[str], Exception]) -> None:
        self._inner = inner
        self._most = most
        self._too_large = too_large

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for chunk in self._inner:
            read += len(chunk)
            if read > self._most:
                raise self._too_large("the answer is larger than may be read")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


@cache
def _authorities(reads: Callable[..., ssl.SSLContext], *, trust_env: bool) -> ssl.SSLContext:
    """Return whom a library's clients trust over TLS, read once: that takes longer than all else about a client."""
    return reads(trust_env=trust_env)


def guarded(kind: type[ClientT], gate: Gate, *, most_bytes: int = MOST_BYTES, **options: Any) -> ClientT:
    """Return a client that goes where its gate lets it.

    Redirects are off unless asked for; then every hop is judged anew, and with a named origin none leaves it. A proxy
    of the environment, an operator's own, is called as it is, and only for a named origin.

    Args:
        kind: which client.
        gate: where it may go.
        most_bytes: the largest answer.
        options: what the client takes.
    """
    library, core = (httpx, httpcore) if kind is httpx.AsyncClient else (httpx2, httpcore2)

    async def leaving(request: Any) -> None:
        gate.check(request.url)
        request.headers["accept-encoding"] = "identity"

    async def arriving(response: Any) -> None:
        if response.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
            await response.aclose()
            raise library.DecodingError("the answer is packed, which was not asked for", request=response.request)
        response.stream = _Bounded(response.stream, most_bytes, library.ReadError)

    hooks: dict[str, list[Any]] = options.pop("event_hooks", {})
    options["event_hooks"] = {
        "request": [*hooks.get("request", ()), leaving],
        "response": [arriving, *hooks.get("response", ())],
    }
    options["trust_env"] = options.get("trust_env", False) and gate.origin is not None
    options.setdefault("verify", _authorities(library.create_ssl_context, trust_env=options["trust_env"]))
    client: Any = kind(follow_redirects=options.pop("follow_redirects", False), **options)
    pool = client._transport._pool
    pool._network_backend = GatedBackend(pool._network_backend, gate, core.ConnectError, core.ConnectTimeout)
    return client  # type: ignore[no-any-return]
