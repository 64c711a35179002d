"""Rows as they were given, from rows as they are stored: what the reader shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from psycopg.rows import DictRow

from adapters.postgres.vault import Vault
from contracts.errors import ColonyError
from contracts.registry import SPECS, Kind

_PLANS = "plan"
_WRITEBACK = "writeback"


class OpenRows:
    """Opens rows of one tenant.

    Args:
        vault: what they were sealed with.
        spared: errors for which a row is left as it is stored, for whoever looks for what was changed.
    """

    def __init__(self, vault: Vault, *spared: type[ColonyError]) -> None:
        self._vault = vault
        self._spared = spared

    def of(self, table: str, tenant_id: str, rows: Sequence[DictRow], **known: Any) -> list[DictRow]:
        """Return rows of one table; ``known`` are columns that name them and were not read.

        Raises:
            IntegrityBroken: one was changed or is in plaintext.
            KeyMissing: one is sealed under a key that this process does not have.
        """
        return [self._one(table, tenant_id, row, known) for row in rows]

    def _one(self, table: str, tenant_id: str, row: Mapping[str, Any], known: Mapping[str, Any]) -> DictRow:
        try:
            return self._vault.opened(table, tenant_id, row, **known)
        except self._spared:
            return dict(row)

    def artifacts(self, tenant_id: str, mission_id: str, rows: Sequence[DictRow]) -> list[DictRow]:
        """Return artifacts of whichever kinds, of one mission."""
        return [self._artifact(tenant_id, mission_id, row) for row in rows]

    def _artifact(self, tenant_id: str, mission_id: str, row: DictRow) -> DictRow:
        known = {"mission_id": mission_id}
        if row["kind"] == _WRITEBACK:
            return self._writeback(tenant_id, row, known)
        table = "colony_plans" if row["kind"] == _PLANS else SPECS[Kind(row["kind"])].table
        return self._one(table, tenant_id, row, known)

    def _writeback(self, tenant_id: str, row: DictRow, known: Mapping[str, Any]) -> DictRow:
        """Open what the view has put together: of a sealed payload (a text) and an outcome it makes a list."""
        stored = row["payload"]
        payload, rest = stored if isinstance(stored, list) else (stored, stored)
        names = {**known, "proposal_id": row["artifact_id"], "payload_sha256": row["sha256"]}
        opened = self._one("colony_writebacks", tenant_id, {"payload": payload, "outcome": rest.get("outcome")}, names)
        return {**row, "payload": {**opened["payload"], "outcome": opened["outcome"]}}

    def approvals(self, tenant_id: str, rows: Sequence[DictRow]) -> list[DictRow]:
        """Return approvals with their answers, and how risky the mission is."""
        return [self._approval(tenant_id, row) for row in rows]

    def _approval(self, tenant_id: str, row: DictRow) -> DictRow:
        names = {"mission_id": row["mission_id"], "interrupt_id": row["interrupt_id"]}
        answers = [
            self._one("colony_approval_answers", tenant_id, {"content": content}, {**names, "number": number})[
                "content"
            ]
            for number, content in zip(row["numbers"], row["answers"], strict=True)
        ]
        mission = self._one("colony_missions", tenant_id, {"payload": row["mission_payload"]}, names)["payload"]
        risk_level = (mission.get("envelope") or {}).get("risk_level")
        return {**self._one("colony_approvals", tenant_id, row, {}), "answers": answers, "risk_level": risk_level}

    def sources(self, tenant_id: str, rows: Sequence[DictRow]) -> list[DictRow]:
        """Return what pieces of evidence say about where they come from."""
        found = self.of("colony_research_artifacts", tenant_id, rows)
        read = [(row, json.loads(bytes(row["content"]))) for row in found]
        return [{**row, **{name: said.get(name) for name in ("kind", "trust", "source")}} for row, said in read]


def constitutions_of(artifacts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the hashes of the constitutions that a mission's decisions name; what can't be read names none."""
    named = set()
    for row in artifacts:
        if row["kind"] == Kind.POLICY_DECISION:
            with suppress(ValueError, AttributeError):
                named.add(json.loads(bytes(row["content"])).get("constitution_sha256"))
    return sorted(name for name in named if isinstance(name, str))
