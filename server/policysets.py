"""A tenant's own rules as clients see them: stored in versions, checked, put in force, taken out of force again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, StringConstraints, WithJsonSchema

from adapters.postgres.rulesets import Activation, RuleSetStore
from contracts.base import Value
from contracts.clock import rfc3339
from contracts.errors import Conflict
from graph.context import Governance
from graph.inforce import active_in
from policies import tenants
from policies.checking import Checked, checked
from policies.engine import Asks, PolicyEngine
from policies.rulefiles import Rule
from server.principal import Principal

SHIPPED = 0
"""The version that is no tenant's: the shipped rules alone."""
_LONGEST_FILE = 100_000


def texts(name: str, most: int) -> WithJsonSchema:
    """Describe a mapping from names, of a pattern, to texts: every key is a name."""
    text = {"type": "string", "maxLength": _LONGEST_FILE}
    names = {"type": "string", "pattern": name}
    return WithJsonSchema(
        {"type": "object", "maxProperties": most, "propertyNames": names, "additionalProperties": text}
    )


Text = Annotated[str, StringConstraints(max_length=_LONGEST_FILE)]
_Name = Annotated[str, StringConstraints(pattern=tenants.FILE_NAME)]


class RuleFilesGiven(Value):
    """A tenant's rule files by name, ``tests.yaml`` among them, and what people are told of them."""

    files: Annotated[
        dict[_Name, Text], Field(max_length=tenants.MOST_FILES), texts(tenants.FILE_NAME, tenants.MOST_FILES)
    ]
    note: str = Field(default="", max_length=2_000)


@dataclass(frozen=True)
class PolicyService:
    """What can be done with a tenant's rules; nothing here changes a shipped one."""

    store: RuleSetStore
    governance: Governance

    async def checked(self, files: Mapping[str, str]) -> Checked:
        """Check a tenant's files over the shipped rules."""
        return await asyncio.to_thread(checked, files, self.governance.engine)

    async def put(self, who: Principal, given: RuleFilesGiven) -> dict[str, Any]:
        """Store a version and say what is wrong with it; one that is broken can be stored, but never put in force."""
        content = tenants.packed(given.files)
        version, _ = await self.store.put(who.tenant_id, content, note=given.note, actor_id=who.actor_id)
        return await self.version(who.tenant_id, version)

    async def version(self, tenant_id: str, version: int) -> dict[str, Any]:
        """Return one version whole, as it is over the rules that ship with this process.

        Raises:
            NotFound: there is none of that number.
        """
        files, row = await self._files(tenant_id, version)
        found = await self.checked(files)
        return {
            **_shown(row, await self._active(tenant_id)),
            "files": files,
            **checked_told(found, shipped=version == SHIPPED),
        }

    async def _files(self, tenant_id: str, version: int) -> tuple[dict[str, str], Mapping[str, Any]]:
        if version == SHIPPED:
            return {}, {"version": SHIPPED, "note": "the shipped rules alone", "actor_id": None, "created_at": None}
        row = await self.store.set(tenant_id, version)
        return tenants.unpacked(bytes(row["content"])), row

    async def _active(self, tenant_id: str) -> int:
        newest = await self.store.activations(tenant_id, 1)
        return (newest[0]["version"] or SHIPPED) if newest else SHIPPED

    async def activate(self, who: Principal, version: int, reason: str | None) -> dict[str, Any]:
        """Put a version in force for every question that is asked from this answer on; 0 is the shipped rules alone.

        Raises:
            NotFound: there is none of that number.
            Conflict: it is broken, or somebody else activated one at the same moment.
        """
        files, _ = await self._files(who.tenant_id, version)
        found = await self.checked(files)
        engine = found.engine
        if engine is None or found.problems:
            hint = "Mend it and store it again, as a new version."
            raise Conflict(found.problems[0], code="policy_invalid", hint=hint)
        row = await self.store.activate(
            Activation(who.tenant_id, version or None, engine.rules_sha256, engine.content, who.actor_id, reason or "")
        )
        return _activation(row)

    async def state(self, tenant_id: str) -> dict[str, Any]:
        """Return which rules are in force, the versions there are, and who put what in force when."""
        asks: Asks = await active_in(self.governance, self.store.of(tenant_id))
        active = await self._active(tenant_id)
        return {
            "active_version": active,
            "rules_sha256": asks.rules_sha256,
            "usable": isinstance(asks, PolicyEngine),
            "shipped_sha256": self.governance.engine.rules_sha256,
            "items": [_shown(row, active) for row in await self.store.sets(tenant_id)],
            "activations": [_activation(row) for row in await self.store.activations(tenant_id)],
        }


def checked_told(found: Checked, *, shipped: bool = False) -> dict[str, Any]:
    """Return what a check found, as it is shown; of the shipped rules only where they alone are meant."""
    engine = found.engine
    return {
        "ok": engine is not None and not found.problems,
        "problems": list(found.problems),
        "findings": [
            {"rule_id": f.rule_id, "file": f.file, "code": f.code, "severity": f.severity, "message": f.message}
            for f in found.findings
        ],
        "tests_passed": found.results.passed,
        "untested": list(found.untested),
        "rules": [told(rule) for rule in engine.rules if rule.of_tenant or shipped] if engine else [],
        "rules_sha256": engine.rules_sha256 if engine else None,
    }


def told(rule: Rule) -> dict[str, Any]:
    """Return a rule as it is listed."""
    named = {"rule_id": rule.rule_id, "layer": rule.layer.value, "effect": rule.effect, "file": rule.file}
    return {**named, "reason": rule.reason, "escalate": rule.escalate}


def _shown(row: Mapping[str, Any], active: int) -> dict[str, Any]:
    made = row["created_at"]
    return {
        "version": row["version"],
        "note": row["note"],
        "made_by": row["actor_id"],
        "created_at": rfc3339(made) if made else None,
        "active": row["version"] == active,
    }


def _activation(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "number": row["number"],
        "version": row["version"] or SHIPPED,
        "rules_sha256": row["rules_sha256"],
        "activated_by": row["actor_id"],
        "reason": row["reason"],
        "activated_at": rfc3339(row["created_at"]),
    }
