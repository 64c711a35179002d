"""`colony halt`: the kill switch, straight in the database, so that it works when no API answers."""

from __future__ import annotations

import getpass
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.errors import BadInput
from server.cli.output import Json, Screen, emit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.postgres.halts import AdministratorsHalts

Tenant = Annotated[str | None, typer.Option("--tenant", help="Whose missions.", show_default=False)]
Everybody = Annotated[bool, typer.Option("--all", help="Every tenant's.")]
Why = Annotated[str, typer.Option("--reason", help="Why; it is kept and shown to whoever asks.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="The kill switch: stop everything that missions do, at once.")
    for name, command in (("on", on), ("lift", lift), ("show", show)):
        group.command(name)(command)
    app.add_typer(group, name="halt")


def _whose(tenant: str | None, everybody: bool) -> str:
    from adapters.postgres.halts import EVERYBODY
    from server.principal import TENANT

    if everybody == (tenant is not None):
        raise BadInput("say whose: --tenant NAME, or --all")
    if tenant is not None and not TENANT.fullmatch(tenant):
        raise BadInput("--tenant is no name of a tenant", hint="Letters, digits, dots, dashes; at most 64.")
    return EVERYBODY if tenant is None else tenant


def _halts(stack: ExitStack) -> AdministratorsHalts:
    from adapters.postgres.halts import AdministratorsHalts
    from server.database import administrator
    from server.settings import load_settings

    return AdministratorsHalts(administrator(load_settings(), stack))


def on(reason: Why, tenant: Tenant = None, everybody: Everybody = False, as_json: Json = False) -> None:
    """Halt a tenant, or everybody: runs stop within seconds, and nothing is called or written until it is lifted."""
    from server.halting import shown

    if not 0 < len(reason) <= 2_000:
        raise BadInput("--reason has 1 to 2,000 characters")
    with ExitStack() as stack:
        row = _halts(stack).halt(_whose(tenant, everybody), _who(), reason)
    if as_json:
        emit(shown(row))
        return
    Screen().line(f"{_name(row['tenant_id'])} halted. `colony halt lift` lets missions go on where they were.")


def lift(tenant: Tenant = None, everybody: Everybody = False, as_json: Json = False) -> None:
    """Lift the halts of a tenant, or those over everybody: missions go on where they were."""
    from server.halting import shown

    with ExitStack() as stack:
        lifted = _halts(stack).lift(_whose(tenant, everybody), _who())
    if as_json:
        emit({"lifted": [shown(row) for row in lifted]})
        return
    screen = Screen()
    for row in lifted:
        screen.line(f"{_name(row['tenant_id'])} goes on; halted since {row['created_at']:%Y-%m-%d %H:%M:%S %Z}.")
    if not lifted:
        screen.line("Nothing was halted there.")


def show(as_json: Json = False) -> None:
    """List who is and was halted, by whom and why; those in force first."""
    from server.halting import shown

    with ExitStack() as stack:
        rows = _halts(stack).all()
    if as_json:
        emit({"items": [{**shown(row), "tenant": row["tenant_id"]} for row in rows]})
        return
    screen = Screen()
    if not rows:
        screen.line("Nobody is halted, and nobody was.")
        return
    screen.table(("who", "state", "by", "reason"), (list(_line(row)) for row in rows))


def _line(row: dict[str, object]) -> Iterator[str]:
    yield _name(str(row["tenant_id"]))
    yield (
        f"lifted {row['lifted_at']:%Y-%m-%d %H:%M}"
        if row["lifted_at"]
        else f"halted {row['created_at']:%Y-%m-%d %H:%M}"
    )
    yield str(row["actor_id"])
    yield str(row["reason"])


def _name(tenant_id: str) -> str:
    from adapters.postgres.halts import EVERYBODY

    return "every tenant" if tenant_id == EVERYBODY else tenant_id


def _who() -> str:
    """Return whom the record names: the machine's account, since who can do this is no user of the API."""
    try:
        return f"administrator:{getpass.getuser()}"
    except (KeyError, OSError):
        return "administrator"
