"""Running the service: the API, the worker, or both in one process, until a signal says stop."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any

import structlog
import uvicorn

from adapters.postgres.claims import LeaseTimes
from adapters.root.client import Patience
from contracts.errors import SettingInvalid
from server import telemetry
from server.app import create_app
from server.body import MAX_BODY
from server.compose import Colony, open_colony
from server.metrics.port import metrics_served
from server.settings import Settings

_log = structlog.get_logger("colony")
_BACKLOG = 2_048
_STREAMS_END_S = 5
# Longer than clients (5 s) and load balancers (60 s) keep a connection that nobody uses: the server is not to close it
# under a request that is on its way.
_IDLE_S = 75


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handling, since the order of stopping is ours; says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """Take the address, so that a port in use is known before anything else starts.

    Raises:
        SettingInvalid: the address can't be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Asyncio turns Nagle's delay off only on sockets that say they are TCP.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except (OSError, OverflowError) as exc:
        sock.close()
        raise SettingInvalid(
            f"PORT: {host}:{port} can't be listened on", hint="Another program has it; choose another with --port."
        ) from exc
    return sock


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    work: bool = True,
    times: LeaseTimes | None = None,
    patience: Patience | None = None,
) -> AsyncIterator[Colony]:
    """Serve the API, with a worker if asked, for the length of the block.

    Raises:
        SettingInvalid: a setting can't be used, or the port is taken.
        StoreUnavailable: Postgres does not answer.
    """
    if settings.deployment_mode.trusts_loopback and host not in {"127.0.0.1", "localhost", "::1"}:
        raise SettingInvalid(
            f"COLONY_DEPLOYMENT_MODE={settings.deployment_mode.value} serves loopback only",
            hint="Use --host 127.0.0.1, or a mode that asks for tokens.",
        )
    sock = bind(host, settings.port)
    settings = settings.model_copy(update={"port": sock.getsockname()[1]})
    try:
        async with open_colony(settings, times=times, patience=patience) as colony, _http(colony, sock):
            if work:
                colony.worker.start()
                colony.relays.start()
                colony.sdk.begin_work()
            _log.info("ready", url=f"http://{host}:{settings.port}", worker=work)
            try:
                yield colony
            finally:
                # Streams end at once: their readers go on elsewhere. Missions that are running may need the root, which
                # this server may be: they stop before it does.
                colony.doorbell.close()
                if work:
                    await colony.worker.stop()
                    await colony.relays.stop()
                    await colony.sdk.end_work()
    finally:
        sock.close()


@asynccontextmanager
async def _http(colony: Colony, sock: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(
        create_app(colony),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=_STREAMS_END_S,
        timeout_keep_alive=_IDLE_S,
        ws_max_size=MAX_BODY,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[sock]), name="http")
    try:
        await server.up.wait()
        yield
    finally:
        server.should_exit = True
        await task


@contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """Give an event that SIGTERM or SIGINT sets."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        yield stopped
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def serve(settings: Settings, *, host: str, work: bool) -> None:
    """Serve until a signal; the worker's own end is an end, too.

    Raises:
        StoreUnavailable: the worker lost its queue for good.
    """
    with telemetry.exported(settings), stop_signals() as stopped:
        async with running(settings, host=host, work=work) as colony:
            await _until(stopped, colony, work=work)


async def work_only(
    settings: Settings,
    *,
    times: LeaseTimes | None = None,
    patience: Patience | None = None,
    metrics: tuple[str, int] | None = None,
) -> None:
    """Run a worker without an API until a signal; ``metrics`` is where this process's own are served, if anywhere.

    Raises:
        SettingInvalid: a setting can't be used, or the metrics' port is taken.
        StoreUnavailable: Postgres does not answer, or the worker lost its queue for good.
    """
    with telemetry.exported(settings), stop_signals() as stopped, ExitStack() as scraped:
        async with open_colony(settings, times=times, patience=patience) as colony:
            if metrics is not None:
                url = scraped.enter_context(metrics_served(colony.metrics, *metrics))
                _log.info("metrics", url=url)
            colony.worker.start()
            colony.relays.start()
            colony.sdk.begin_work()
            _log.info("worker ready", concurrency=settings.max_concurrent_missions)
            try:
                await _until(stopped, colony, work=True)
            finally:
                await colony.worker.stop()
                await colony.relays.stop()
                await colony.sdk.end_work()


async def relay_only(settings: Settings, *, metrics: tuple[str, int] | None = None) -> None:
    """Relay events to the outside until a signal, and run no mission.

    Raises:
        SettingInvalid: no setting says where to, or the metrics' port is taken.
    """
    with stop_signals() as stopped, ExitStack() as scraped:
        async with open_colony(settings) as colony:
            if not colony.relays:
                raise SettingInvalid(
                    "there is nowhere to relay to", hint="Set KAFKA_BOOTSTRAP_SERVERS or COLONY_WEBHOOK_URL."
                )
            if metrics is not None:
                scraped.enter_context(metrics_served(colony.metrics, *metrics))
            colony.relays.start()
            _log.info("relay ready")
            try:
                await _first(stopped.wait(), colony.relays.wait())
            finally:
                await colony.relays.stop()


async def _until(stopped: asyncio.Event, colony: Colony, *, work: bool) -> None:
    # What was imported and opened stays; to go through it in a full collection stops all for a tenth of a second.
    gc.collect()
    gc.freeze()
    try:
        await _first(stopped.wait(), *([colony.worker.wait(), colony.relays.wait()] if work else []))
    finally:
        gc.unfreeze()


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    """Wait for the first to end; its error is raised."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    for task in done:
        task.result()
