"""The commands that run processes: serve, worker, up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.output import Json, configure_logging

if TYPE_CHECKING:
    from server.settings import Settings

Host = Annotated[str, typer.Option(help="Address to listen on; developer modes allow loopback only.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.", envvar=[])]
MetricsPort = Annotated[
    int | None, typer.Option(help="Serve this process's Prometheus metrics on this port; 0 takes a free one.")
]
Concurrency = Annotated[int | None, typer.Option(help="Missions at a time.", min=1)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(serve)
    app.command()(up)
    app.command()(worker)


def _prepared(*, as_json: bool, **overrides: object) -> Settings:
    from server.settings import load_settings

    settings = load_settings(**overrides)
    configure_logging(settings.log_level, as_json=as_json or settings.deployment_mode.is_production)
    return settings


def serve(
    host: Host = "127.0.0.1",
    port: Port = None,
    worker: Annotated[bool, typer.Option(help="Take missions from the queue in this process, too.")] = True,
    as_json: Json = False,
) -> None:
    """Serve the API, with a worker in the same process unless --no-worker is given."""
    from server.serve import serve as run

    asyncio.run(run(_prepared(as_json=as_json, PORT=port), host=host, work=worker))


def up(port: Port = None, as_json: Json = False) -> None:
    """Serve API and worker on this machine."""
    serve(port=port, as_json=as_json)


def worker(
    concurrency: Concurrency = None,
    metrics_port: MetricsPort = None,
    metrics_host: Annotated[str, typer.Option(help="Address of the metrics' port.")] = "127.0.0.1",
    relay_only: Annotated[
        bool, typer.Option("--relay-only", help="Relay events to Kafka and webhooks, and take no mission.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take missions from the queue, without an API."""
    from server.serve import relay_only as relay
    from server.serve import work_only

    settings = _prepared(as_json=as_json, MAX_CONCURRENT_MISSIONS=concurrency)
    metrics = None if metrics_port is None else (metrics_host, metrics_port)
    asyncio.run(relay(settings, metrics=metrics) if relay_only else work_only(settings, metrics=metrics))
