"""`colony keys`: API keys straight in the database, as its administrator; so the first one can be made there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from contracts.errors import BadInput
from server.cli.output import Json, Screen, emit

if TYPE_CHECKING:
    from adapters.postgres.keys import ApiKeys

T = TypeVar("T")
_MAKER = "administrator"
_USUAL = ("mission:submit", "mission:read", "mission:operate", "mission:approve")
Tenant = Annotated[str, typer.Option("--tenant", help="Whose keys.")]
Named = Annotated[str, typer.Option("--name", help="What people know it by.")]
Capabilities = Annotated[
    list[str] | None,
    typer.Option(
        "--capability", "-c", help="One it holds, or several with commas; may be repeated.", show_default=False
    ),
]
Actor = Annotated[
    str | None, typer.Option("--actor", help="Who it acts as: nobody approves with it what they asked for.")
]
Days = Annotated[int | None, typer.Option("--expires-in-days", min=1, max=3_660, help="For ever if not given.")]
KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="As `colony keys list` shows it.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="API keys, straight in the database as its administrator.")
    for name, command in (("create", create), ("list", show), ("revoke", revoke)):
        group.command(name)(command)
    app.add_typer(group, name="keys")


def _with(work: Callable[[ApiKeys], Awaitable[T]]) -> T:
    from adapters.postgres.keys import ApiKeys
    from adapters.postgres.pools import open_pool
    from server.database import database
    from server.settings import load_settings

    async def whole() -> T:
        async with AsyncExitStack() as stack:
            db = await asyncio.to_thread(database, load_settings(), stack)
            pool = await open_pool(db.dsns.app, name="command", most=1, tenants=db.secrets.tenants)
            stack.push_async_callback(pool.close)
            return await work(ApiKeys(pool))

    return asyncio.run(whole())


def create(
    name: Named = "command line",
    capability: Capabilities = None,
    tenant: Tenant = "demo",
    actor: Actor = None,
    expires_in_days: Days = None,
    as_json: Json = False,
) -> None:
    """Make a key and show it, this once. It holds the capabilities that missions need unless others are named."""
    from adapters.postgres.keys import NewKey
    from server.keys import shown
    from server.principal import CAPABILITIES, TENANT

    held = frozenset(c.strip() for given in capability or _USUAL for c in given.split(","))
    if unknown := sorted(held - CAPABILITIES):
        raise BadInput(
            f"there is no capability {unknown[0]}", hint="There are " + ", ".join(sorted(CAPABILITIES)) + "."
        )
    if not TENANT.fullmatch(tenant):
        raise BadInput("--tenant is no name of a tenant", hint="Letters, digits, dots, dashes; at most 64.")
    for given in (name, actor or "key"):
        if not (0 < len(given) <= 80 and given.isprintable()):
            raise BadInput("--name and --actor have 1 to 80 printable characters")
    until = None if expires_in_days is None else datetime.now(UTC) + timedelta(days=expires_in_days)
    wanted = NewKey(tenant, name, actor or f"key:{name}", held, _MAKER, expires_at=until)
    key, row = _with(lambda keys: keys.create(wanted))
    if as_json:
        emit({**shown(row), "tenant": tenant, "key": key})
        return
    screen = Screen()
    screen.line(f"{row['key_id']} of {tenant}, acts as {row['actor_id']}: {', '.join(row['capabilities'])}")
    screen.line(key)
    screen.line("Nobody can show it again. Use it as COLONY_SERVICE_API_KEY, or as `Authorization: Bearer`.")


def show(tenant: Tenant = "demo", as_json: Json = False) -> None:
    """List a tenant's keys, newest first."""
    from server.keys import shown

    items = [shown(row) for row in _with(lambda keys: keys.of_tenant(tenant))]
    if as_json:
        emit({"items": items})
        return
    rows = [
        (k["key_id"], k["name"], _state(k), k["last_used_at"] or "never", " ".join(k["capabilities"])) for k in items
    ]
    screen = Screen()
    if rows:
        screen.table(("key", "name", "state", "last used", "capabilities"), rows)
    else:
        screen.line(f"{tenant} has no key.")


def _state(key: dict[str, Any]) -> str:
    if key["revoked_at"]:
        return f"revoked {key['revoked_at']}"
    return f"until {key['expires_at']}" if key["expires_at"] else "holds"


def revoke(key_id: KeyId, tenant: Tenant = "demo", as_json: Json = False) -> None:
    """Revoke a key and all that were made with it, from this moment on."""
    gone = list(_with(lambda keys: keys.revoke(tenant, key_id, _MAKER)))
    if as_json:
        emit({"revoked": gone})
        return
    Screen().line(f"revoked: {', '.join(gone)}")
