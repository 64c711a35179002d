"""A product's backend, served over HTTP, with Colony's router in it; and things that answer in Colony's place."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest_asyncio
import uvicorn
from fastapi import FastAPI, Header, HTTPException
from pydantic import SecretStr

from colony_gateway import Caller, GatewaySettings, colony_router
from server.serve import bind

KEY = "sk-the-products-own-key-of-colony"
USERS = {"Bearer ada-of-the-product": Caller()}
ADA = {"Authorization": "Bearer ada-of-the-product"}
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def who(authorization: Annotated[str, Header()] = "") -> Caller:
    """The product's own authentication."""
    if authorization not in USERS:
        raise HTTPException(401, "the product does not know you")
    return USERS[authorization]


@asynccontextmanager
async def serving_app(app: Any) -> AsyncIterator[str]:
    """Serve an ASGI app on a free port, with its lifespan."""
    sock = bind("127.0.0.1", 0)
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    server.capture_signals = _no_signals  # type: ignore[method-assign]
    task = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        sock.close()


class _no_signals:  # noqa: N801
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


def product(settings: GatewaySettings, caller: Callable[..., Any] = who) -> FastAPI:
    """A product that mounted Colony, and has something of its own."""
    app = FastAPI()
    app.include_router(colony_router(settings, caller=caller))

    @app.get("/own")
    async def own() -> dict[str, str]:
        return {"own": "works"}

    return app


def settings(base_url: str, **more: Any) -> GatewaySettings:
    return GatewaySettings(**{"base_url": base_url, "timeout_ms": 5_000, "api_key": SecretStr(KEY), **more})


@pytest_asyncio.fixture
async def open_product() -> AsyncIterator[Callable[..., Awaitable[httpx.AsyncClient]]]:
    """``await open_product(settings)``: a client of a product that is served with them."""
    async with AsyncExitStack() as stack:

        async def start(given: GatewaySettings, caller: Callable[..., Any] = who) -> httpx.AsyncClient:
            base = await stack.enter_async_context(serving_app(product(given, caller)))
            return await stack.enter_async_context(httpx.AsyncClient(base_url=base, headers=ADA, timeout=20))

        yield start
        logging.getLogger("uvicorn").handlers.clear()


@pytest_asyncio.fixture
async def stand_in() -> AsyncIterator[Callable[[Answer], Awaitable[str]]]:
    """``await stand_in(answer)``: the URL of a real server that answers every connection so, where Colony should be."""
    servers: list[asyncio.Server] = []
    open_ones: set[asyncio.Task[None]] = set()

    async def start(answer: Answer) -> str:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                open_ones.add(task)
            try:
                await answer(reader, writer)
            except (ConnectionError, asyncio.CancelledError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    yield start
    for server in servers:
        server.close()
    for task in open_ones:
        task.cancel()
    await asyncio.gather(*open_ones, return_exceptions=True)


def says(status: str, body: str, *headers: str) -> Answer:
    """An answer with a status line's rest, a body and header lines."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body.encode())}", "Connection: close", "", body]
        writer.write("\r\n".join(lines).encode())
        await writer.drain()

    return answer
