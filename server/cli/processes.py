"""The commands that run processes: serve, worker, up."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from server.cli.output import configure_logging
from server.settings import Settings, load_settings

Host = Annotated[str, typer.Option(help="Address to listen on; developer modes allow loopback only.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.", envvar=[])]
Concurrency = Annotated[int | None, typer.Option(help="Missions at a time.", min=1)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(serve)
    app.command()(up)
    app.command()(worker)


def _prepared(**overrides: object) -> Settings:
    settings = load_settings(**overrides)
    configure_logging(settings.log_level)
    return settings


def serve(
    host: Host = "127.0.0.1",
    port: Port = None,
    worker: Annotated[bool, typer.Option(help="Take missions from the queue in this process, too.")] = True,
) -> None:
    """Serve the API, with a worker in the same process unless --no-worker is given."""
    from server.serve import serve as run

    asyncio.run(run(_prepared(PORT=port), host=host, work=worker))


def up(port: Port = None) -> None:
    """Serve API and worker on this machine."""
    serve(port=port)


def worker(concurrency: Concurrency = None) -> None:
    """Take missions from the queue, without an API."""
    from server.serve import work_only

    asyncio.run(work_only(_prepared(MAX_CONCURRENT_MISSIONS=concurrency)))
