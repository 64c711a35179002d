"""What `colony doctor` looks at beyond the parts themselves: the models' providers, and work that does not get on."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx

from contracts.errors import ColonyError, DestinationRefused, SettingInvalid
from server.cli.checks import PATIENCE_S, Finding

if TYPE_CHECKING:
    from adapters.models.routefile import Endpoint
    from server.settings import Settings

_HOMES = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
_PATHS = {"openai": "/models", "anthropic": "/v1/models"}
_REFUSED = (401, 403)
_LONG_S = 60
_DAY_S = 86_400


async def models(found: Settings) -> Finding:
    """Read the routes file and ask every provider in it for its models, which costs nothing."""
    from adapters.models.routefile import read_routes

    try:
        endpoints = read_routes(found.model_routes_file, found.default_model_route, found.secret)
    except SettingInvalid as exc:
        return Finding("models", "fail", exc.message, exc.hint)
    trouble = [(f"{tier.value}: {what}", do) for tier, e in endpoints.items() for what, do in [await _ask(e)] if what]
    if trouble:
        return Finding("models", "fail", "; ".join(what for what, _ in trouble), trouble[0][1])
    return Finding("models", "ok", ", ".join(f"{t.value}: {e.route.provider}" for t, e in endpoints.items()))


async def _ask(endpoint: Endpoint) -> tuple[str, str]:
    """Return what is wrong with a provider and what to do, both empty when it answers."""
    provider = endpoint.route.provider
    if provider not in _HOMES:
        return "", ""
    key = endpoint.api_key.get_secret_value() if endpoint.api_key else ""
    headers = (
        {"x-api-key": key, "anthropic-version": "2023-06-01"}
        if provider == "anthropic"
        else {"Authorization": f"Bearer {key}"}
    )
    base = (endpoint.base_url or _HOMES[provider]).rstrip("/")
    from adapters.outbound.client import guarded
    from adapters.outbound.gate import Gate, origin_of

    try:
        gate = Gate(origin_of(httpx.URL(base)), inside=True, private=endpoint.route.private)
        proxied = not endpoint.route.private
        async with guarded(httpx.AsyncClient, gate, timeout=PATIENCE_S, trust_env=proxied) as client:
            answer = await client.get(base + _PATHS[provider], headers=headers if key else {})
    except (httpx.HTTPError, DestinationRefused) as exc:
        return f"{provider} does not answer ({type(exc).__name__})", "See docs/runbooks/provider-outage.md."
    if answer.status_code in _REFUSED:
        return f"{provider} refuses the key", "Set the variable that the routes file names in api_key_env."
    return "", ""


def work(found: Settings) -> Finding:
    """Look for work that stands still: a hold after a restore, missions without a worker, unanswered questions."""
    from adapters.postgres.maintenance.standstill import standstill
    from server.database import administrator

    try:
        with ExitStack() as stack:
            held = standstill(administrator(found, stack))
    except ColonyError as exc:
        return Finding("work", "fail", exc.message, exc.hint)
    if held is None:
        return Finding("work", "warn", "the schema is not current", "`colony db migrate`.")
    if (halt := held["halt"]) is not None:
        whose = "every tenant" if halt["tenant_id"] == "*" else halt["tenant_id"]
        what = f"{whose} is halted since {halt['created_at']}, by {halt['actor_id']}: {halt['reason']}"
        return Finding("work", "fail", what, "`colony halt lift` when it is mended; see docs/runbooks/kill-switch.md.")
    if held["on_hold"]:
        what = "on hold after a restore: no mission is run"
        return Finding("work", "fail", what, "`colony db reconcile`, while the root answers.")
    return _standing(held)


def own_rules(found: Settings) -> Finding:
    """Lay every tenant's own rules over the shipped ones: of whoever's don't fit, everything is denied."""
    from adapters.postgres.maintenance.standstill import active_rules
    from contracts.canonical import sha256_hex
    from policies.engine import PolicyEngine
    from server.database import administrator

    try:
        shipped = PolicyEngine.load()
        with ExitStack() as stack:
            sets = active_rules(administrator(found, stack))
    except ColonyError as exc:
        return Finding("own_rules", "fail", exc.message, exc.hint)
    if sets is None:
        return Finding("own_rules", "warn", "the schema is not current", "`colony db migrate`.")
    unusable = [t for t, content in sets if not isinstance(shipped.over(sha256_hex(content), content), PolicyEngine)]
    if unusable:
        what = f"the rules of {', '.join(unusable[:5])} don't fit the shipped ones: everything of theirs is denied"
        return Finding("own_rules", "fail", what, "They mend and activate them, or `colony policies activate 0`.")
    return Finding("own_rules", "ok", f"{len(sets)} tenants have rules of their own, and all can be used")


def _standing(held: dict[str, Any]) -> Finding:
    said = f"{held['runnable']} missions to run, {held['pending']} wait for a person, {held['failed']} failed in a day"
    if held["runnable_age_s"] > _LONG_S:
        what = f"{said}; the oldest has had no worker for {held['runnable_age_s']} s"
        return Finding("work", "fail", what, "Start a worker, or see docs/runbooks/stuck-mission.md.")
    if held["quarantined"]:
        what = f"{said}; {held['quarantined']} quarantined"
        return Finding("work", "warn", what, "See docs/runbooks/stuck-mission.md.")
    if held["unknown"]:
        what = f"{said}; {held['unknown']} writes with an unknown outcome"
        return Finding(
            "work", "warn", what, "`colony db reconcile` reads them back; see docs/runbooks/stuck-mission.md."
        )
    if held["pending_age_s"] > _DAY_S:
        what = f"{said}; the oldest question is {held['pending_age_s'] // 3600} h old"
        return Finding("work", "warn", what, "See docs/runbooks/approval-backlog.md.")
    return Finding("work", "ok", said)
