"""What `colony doctor` looks at, each a check that says what is, whether that is well, and what to do."""

from __future__ import annotations

import errno
import os
import platform
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import httpx

from contracts.errors import ColonyError, ConstitutionUnverified, NotFound, SettingInvalid, StoreUnavailable
from server.cli.api import client_of

if TYPE_CHECKING:
    from server.settings import Settings

PATIENCE_S = 3.0
_OLDEST = (3, 11)


@dataclass(frozen=True)
class Finding:
    """One check's result; ``do`` is empty when there is nothing to do."""

    check: str
    state: Literal["ok", "warn", "fail"]
    what: str
    do: str = ""


def python() -> Finding:
    """Look at the interpreter."""
    version = platform.python_version()
    if sys.version_info[:2] < _OLDEST:
        return Finding("python", "fail", version, "Colony needs Python 3.11 or newer.")
    return Finding("python", "ok", f"{version} at {sys.executable}")


def settings() -> tuple[Finding, Settings | None]:
    """Read the environment; without settings nothing else can be looked at."""
    from server.settings import load_settings

    try:
        found = load_settings()
    except SettingInvalid as exc:
        return Finding("settings", "fail", exc.message, exc.hint), None
    given = ", ".join(sorted(str(type(found).model_fields[name].alias) for name in found.model_fields_set))
    return Finding("settings", "ok", f"{found.deployment_mode.value}; set: {given or 'nothing'}"), found


async def findings(found: Settings) -> AsyncIterator[Finding]:
    """Look at everything that the settings lead to, one after the other."""
    yield home(found.home)
    yield rules()
    yield prompts()
    yield database(found)
    yield constitution(found)
    served = await service(found)
    yield served
    yield await root(found, served)
    yield port(found, served)


def home(folder: Path) -> Finding:
    """Try to write where everything is kept."""
    place = folder.resolve()
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as exc:
        return Finding("home", "fail", f"{place}: {exc.strerror}", "Set COLONY_HOME to a folder you may write to.")
    return Finding("home", "ok", str(place))


def rules() -> Finding:
    """Validate the shipped rules."""
    from policies.engine import PolicyEngine

    try:
        engine = PolicyEngine.load()
    except SettingInvalid as exc:
        return Finding("rules", "fail", exc.message, exc.hint)
    return Finding("rules", "ok", f"{len(engine.rules)} rules, sha256 {engine.rules_sha256[:12]}")


def prompts() -> Finding:
    """Lint the prompt templates and exemplars, and count what they take."""
    from adapters.prompts.lint import MOST_TOKENS, checked, sizes
    from adapters.prompts.registry import TemplateRegistry

    try:
        registry = checked(TemplateRegistry())
    except SettingInvalid as exc:
        return Finding("prompts", "fail", exc.message, "See adapters/prompts; `python -m adapters.prompts` lists all.")
    counted = sizes(registry)
    largest = max(counted, key=lambda name: counted[name])
    what = f"{len(registry.entries)} templates and exemplars; the largest, {largest}, takes {counted[largest]} tokens"
    state: Literal["ok", "warn"] = "ok" if counted[largest] <= MOST_TOKENS else "warn"
    return Finding("prompts", state, what)


def database(found: Settings) -> Finding:
    """Reach Postgres, starting the embedded one if need be, and compare its schema with this version's."""
    from adapters.postgres.provision import pending
    from server.database import administrator

    which = "DATABASE_URL" if found.database_url is not None else "embedded Postgres"
    try:
        with ExitStack() as stack:
            missing = pending(administrator(found, stack))
    except ColonyError as exc:
        hint = (
            exc.hint if not isinstance(exc, StoreUnavailable) else "Check that it runs and that DATABASE_URL is right."
        )
        return Finding("database", "fail", f"{which}: {exc.message}", hint)
    if missing:
        what = f"{which} answers; {len(missing)} migrations are not applied"
        return Finding("database", "warn", what, "`colony up` applies them, or `colony db migrate` now.")
    return Finding("database", "ok", f"{which} answers, its schema is current")


def constitution(found: Settings) -> Finding:
    """Verify the constitution that the database has in force, as every process does before it decides anything."""
    from adapters.postgres.constitutions import look
    from adapters.postgres.provision import dsns_for, pending
    from adapters.postgres.secrets import read_secrets
    from server.constitution import guard_for
    from server.database import administrator

    try:
        with ExitStack() as stack:
            admin = administrator(found, stack)
            if pending(admin):
                return Finding("constitution", "warn", "it is there when the database's schema is current")
            guard, stored = guard_for(found, read_secrets(admin)), look(dsns_for(admin).app)
    except ColonyError as exc:
        return Finding("constitution", "fail", exc.message, exc.hint)
    if stored is None and guard.own is not None:
        return Finding("constitution", "ok", "a developer's, put in force when the service starts")
    try:
        held = guard.verified(stored)
    except ConstitutionUnverified as exc:
        return Finding("constitution", "fail", exc.message, exc.hint)
    own = ", signed with a developer mode's own key" if stored and stored.key_id == guard.own else ""
    return Finding("constitution", "ok", f"version {held.constitution.version}, sha256 {held.sha256[:12]}{own}")


async def answers(found: Settings, patience_s: float = PATIENCE_S) -> bool:
    """Tell whether Colony answers on the deployment's address, ready or not."""
    async with client_of(found.own_base_url, None, patience_s) as api:
        try:
            answer = await api.client.get("/api/colony/health")
            return answer.is_success and answer.json().get("status") == "ok"
        except (httpx.RequestError, ValueError, AttributeError):
            return False


async def service(found: Settings) -> Finding:
    """Ask the service whether it is ready, with the key that commands would send."""
    address = found.own_base_url
    if not await answers(found):
        state: Literal["warn", "fail"] = "warn" if found.service_base_url is None else "fail"
        do = "Start it with `make up` (or `colony up`), or set COLONY_SERVICE_BASE_URL."
        return Finding("service", state, f"Colony does not answer at {address}", do)
    async with client_of(address, found.service_api_key, PATIENCE_S) as api:
        try:
            await api.get("/health/ready")
            await api.get("/missions", limit=1)
        except ColonyError as exc:
            return Finding("service", "fail", f"{address}: {exc.message}", exc.hint)
    return Finding("service", "ok", f"ready at {address}")


async def root(found: Settings, served: Finding) -> Finding:
    """Ask the root for a lead that is not there: every root knows how to answer that."""
    from adapters.root.client import Patience, RootClient

    embedded = found.root_api_base_url is None
    if embedded and served.state != "ok":
        return Finding("root", "warn", "the embedded root answers when the service does")
    client = RootClient(found.root_base_url, found.root_api_key, Patience(total_s=PATIENCE_S))
    try:
        await client.get_lead("demo", "colony-doctor")
    except NotFound:
        pass
    except ColonyError as exc:
        return Finding("root", "fail", f"{found.root_base_url}: {exc.message}", exc.hint or "Check ROOT_API_BASE_URL.")
    finally:
        await client.aclose()
    return Finding("root", "ok", ("embedded, at " if embedded else "") + found.root_base_url)


def port(found: Settings, served: Finding) -> Finding:
    """Tell whether the port can be listened on, or is Colony's already."""
    if found.port == 0:
        return Finding("port", "ok", "a free one is taken at start")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", found.port))
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE and served.state == "ok" and found.service_base_url is None:
                return Finding("port", "ok", f"{found.port} is Colony's own")
            why = os.strerror(exc.errno) if exc.errno else "can't be used"
            return Finding("port", "fail", f"{found.port}: {why}", "Choose another with PORT or --port.")
    return Finding("port", "ok", f"{found.port} is free")
