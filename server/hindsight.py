"""Looking back at decisions: why one was made, and which would have been others under other rules."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from adapters.postgres.constitutions import ConstitutionStore
from adapters.postgres.rulesets import RuleSetStore
from contracts.base import Value
from contracts.clock import rfc3339
from contracts.constitution import Constitution
from contracts.decisions import PolicyDecision
from contracts.errors import Conflict, IntegrityBroken, NotFound, SettingInvalid
from contracts.registry import Kind, read
from graph.context import Governance
from graph.inforce import active_in
from graph.overrides import engine_with
from policies.constitution import beyond
from policies.counterfactual import changes, reproduced, without
from policies.engine import PolicyEngine
from policies.rulefiles import files_of, source_of
from policies.whatif import Flip, reconsidered
from server.constituting import document_of
from server.policysets import Text, texts, told

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_000
_FILE = r"^[a-z0-9][a-z0-9.-]{0,79}$"
_MOST_FILES = 40
CURSOR = r"^[0-9]{1,16}~[A-Za-z0-9_-]{1,80}~[A-Za-z0-9_-]{1,80}~[0-9]{1,6}$"


class WhatIf(Value):
    """Rules to try: a tenant's files over the shipped ones, or, with a schema among them, a whole set of their own.

    ``since_ms`` is a moment in milliseconds since 1970; ``cursor`` is the ``next_cursor`` of the page before.
    """

    files: Annotated[
        dict[Annotated[str, StringConstraints(pattern=_FILE)], Text],
        Field(max_length=_MOST_FILES),
        texts(_FILE, _MOST_FILES),
    ]
    since_ms: int = Field(default=0, ge=0, le=_LAST_MS)
    cursor: str | None = Field(default=None, pattern=CURSOR)
    limit: int = Field(default=500, ge=1, le=1_000)


@dataclass(frozen=True)
class Hindsight:
    """Asks stored questions again. Nothing here decides anything."""

    store: RuleSetStore
    governance: Governance
    constitutions: ConstitutionStore

    async def explain(self, tenant_id: str, decision_id: str) -> dict[str, Any]:
        """Say what was asked, which rules determined the decision, and what would have changed it.

        Raises:
            NotFound: no decision of this tenant has that name.
            IntegrityBroken: it, or the rules that it was made under, are not what was stored.
        """
        rows = await self.store.rows(tenant_id, "decision", decision_id=decision_id)
        if not rows:
            raise NotFound("there is no such decision", code="decision_not_found")
        decision = _decision(rows[0])
        try:
            content = await self.store.kept(tenant_id, decision.rules_sha256)
        except NotFound:
            content = None
        law = await self._law(tenant_id, decision)
        now = await active_in(self.governance, self.store.of(tenant_id))
        asked_now = now.ask(decision.question)
        return {
            **await asyncio.to_thread(_explained, decision, content, law),
            "missions": [
                {"mission_id": r["mission_id"], "revision": r["revision"], "decided_at": rfc3339(r["created_at"])}
                for r in rows
            ],
            "now": {
                "outcome": asked_now.outcome.value,
                "rules": list(asked_now.rules),
                "rules_sha256": now.rules_sha256,
            },
        }

    async def _law(self, tenant_id: str, decision: PolicyDecision) -> Constitution | None:
        rows = await self.constitutions.versions(tenant_id, [decision.constitution_sha256])
        return document_of(rows[0]) if rows else None

    async def what_if(self, tenant_id: str, wanted: WhatIf) -> dict[str, Any]:
        """Ask a page of history again under other rules.

        Raises:
            Conflict: the rules are broken.
        """
        try:
            engine = await asyncio.to_thread(engine_with, self.governance.engine, wanted.files)
        except SettingInvalid as exc:
            raise Conflict(exc.message, code=exc.code, hint="Run `colony policies check --rules DIR`.") from exc
        since = _EPOCH + timedelta(milliseconds=wanted.since_ms)
        names = {"since": since, "limit": wanted.limit + 1, **_from_cursor(wanted.cursor)}
        rows = await self.store.rows(tenant_id, "history", **names)
        first = wanted.cursor is None
        size = await self.store.rows(tenant_id, "history_size", since=since) if first else []
        page = rows[: wanted.limit]
        found = await asyncio.to_thread(_flips, engine, page)
        more = _to_cursor(page[-1]) if len(rows) > len(page) else None
        return {
            **found,
            "rules_sha256": engine.rules_sha256,
            "total": size[0]["decisions"] if first else None,
            "next_cursor": more,
        }


def _decision(row: Mapping[str, Any]) -> PolicyDecision:
    decision = read(Kind.POLICY_DECISION, bytes(row["content"]), row["sha256"])
    if not isinstance(decision, PolicyDecision):
        raise IntegrityBroken("what is stored as a decision is none")
    return decision


def _explained(decision: PolicyDecision, content: bytes | None, law: Constitution | None) -> dict[str, Any]:
    engine = None if content is None else _engine_of(content)
    by_id = {rule.rule_id: rule for rule in engine.rules} if engine else {}
    limits = beyond(decision)
    # What a document that is gone has denied can't be asked again: it was denied whatever the rules say.
    tried = None if limits and law is None else engine
    rules = [by_id[name] for name in decision.rules if name in by_id]
    return {
        "decision_id": decision.decision_id,
        "layer": decision.layer.value,
        "action": decision.question.action,
        "outcome": decision.outcome.value,
        "reasons": list(decision.reasons),
        "rules": [{**told(rule), "text": source_of(engine.files, rule)} for rule in rules] if engine else [],
        "rules_sha256": decision.rules_sha256,
        "inputs": decision.question.model_dump(mode="json", include={"principal", "resource", "context"}),
        "reproduced": reproduced(engine, decision) if engine else None,
        "constitution": list(limits),
        "without": [
            {"removed": list(w.removed), "outcome": w.outcome.value, "rules": list(w.rules)}
            for w in (without(tried, decision, law) if tried else ())
        ],
        "changes": [
            {
                "path": c.path,
                "was": c.was,
                "instead": c.instead,
                "outcome": c.outcome.value,
                "rules": list(c.rules),
                "stilled": list(c.stilled),
            }
            for c in (changes(tried, decision, law) if tried else ())
        ],
    }


def _engine_of(content: bytes) -> PolicyEngine | None:
    """Return the rules of then, unless they could not be used then either."""
    try:
        return PolicyEngine(files_of(content))
    except SettingInvalid:
        return None


def _flips(engine: PolicyEngine, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    history = [_decision(row) for row in rows]
    at = {id(was): row for was, row in zip(history, rows, strict=True)}
    found = reconsidered(engine, history)
    return {
        "examined": len(history),
        "questions": found.questions,
        "flips": [_flip(one, at[id(one.was)]) for one in found.flips],
        "unanswerable": [
            {
                "mission_id": at[id(was)]["mission_id"],
                "decision_id": was.decision_id,
                "why": f"what was asked of {was.question.action} does not fit these rules' schema",
            }
            for was in found.unanswerable
        ],
    }


def _flip(one: Flip, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "mission_id": row["mission_id"],
        "decision_id": one.was.decision_id,
        "revision": row["revision"],
        "decided_at": rfc3339(row["created_at"]),
        "layer": one.was.layer.value,
        "action": one.was.question.action,
        "subject": _subject(one.was),
        "was": one.was.outcome.value,
        "now": one.now.outcome.value,
        "rules_was": list(one.was.rules),
        "rules_now": list(one.now.rules),
        "reasons_now": list(one.now.reasons),
    }


def _subject(decision: PolicyDecision) -> str:
    """Say what was asked about, in a few words: of a change what it would set, else what it is called."""
    resource = decision.question.resource
    attrs = resource["attrs"]
    if "fields" in attrs:
        return f"{attrs['operation']} {attrs['entity']}: {', '.join(attrs['fields'])}"
    return f"{resource['type']} {resource['id']}"


def _to_cursor(row: Mapping[str, Any]) -> str:
    micros = (row["created_at"] - _EPOCH) // timedelta(microseconds=1)
    return f"{micros}~{row['mission_id']}~{row['artifact_id']}~{row['revision']}"


def _from_cursor(cursor: str | None) -> dict[str, Any]:
    if cursor is None:
        return {"after": None, "mission_id": None, "decision_id": None, "revision": None}
    micros, mission_id, decision_id, revision = cursor.split("~")
    after = _EPOCH + timedelta(microseconds=int(micros))
    return {"after": after, "mission_id": mission_id, "decision_id": decision_id, "revision": int(revision)}
