"""What is held of each row: the columns that its hash covers, as the migration that keeps the hash has them.

The hash is recomputed here, from what the row says now; nothing that lies in the database decides what is right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import DictRow

EVENTS = "colony_events"
_STORED = (
    *("artifact_id", "mission_id", "tenant_id", "revision:text", "task_key", "actor_id", "sha256"),
    *("payload:copy:content", "created_at:moment"),
)
_SEALED = "substr({0}, 1, 3) = '\\xc01e01'"
_HASH = "encode(sha256({0}), 'hex')"
_JSON = "encode(sha256(convert_to({0}::text, 'UTF8')), 'hex')"
_FORMS = {
    "": "{0}",
    "text": "{0}::text",
    "moment": "(extract(epoch from {0}) * 1000000)::bigint::text",
    "bytes": f"case when {_SEALED} then 'sealed' else {_HASH} end",
    "plain": f"case when jsonb_typeof({{0}}) = 'string' then 'sealed' else {_JSON} end",
    "parts": f"case when jsonb_typeof({{0}} -> 'request') = 'string' then 'sealed' else {_JSON} end",
    "state": f"case when {{0}} -> 'channel_values' ? 'sealed' then 'sealed' else {_JSON} end",
    "member": f"case when {{0}} ? 'sealed' then 'sealed' else {_JSON} end",
    "copy": f"case when {_SEALED.replace('{0}', '{1}')} then 'sealed' else {_JSON} end",
}
"""How a column is told: as a text, a moment in microseconds, or the hash of its bytes, JSON or copy of another column.

What is encrypted says ``sealed``: it carries a proof of its own, and another nonce after each rotation.
"""
_ANSWER = f"coalesce({{0}}.response_sha256, {_FORMS['bytes'].format('{0}.response')})"
_CONTENT = f"case when not {_SEALED} and {_HASH} <> r.sha256 then 'its content was changed' end".format("r.content")
_ANSWERED = f"r.response <> '' and not {_SEALED} and {_HASH} <> r.response_sha256 then 'its answer was changed'"
_CALLED = f"r.request <> '' and not {_SEALED} and {_HASH} <> r.request_sha256 then 'its request was changed'"
_TEXT = (
    f"not exists (select from colony_recorded t where t.tenant_id = r.tenant_id and t.sha256 = r.{{0}} "
    f"and ({_SEALED.format('t.content')} or {_HASH.format('t.content')} = t.sha256))"
)
_TAPED = (
    f"case when {_TEXT.format('request_sha256')} then 'the text of its request was changed or is gone' "
    f"when r.channel <> 'artifact' and r.answer_sha256 is not null and {_TEXT.format('answer_sha256')} "
    "then 'the text of its answer was changed or is gone' end"
)


@dataclass(frozen=True)
class Table:
    """One audited table.

    Attributes:
        name: its name.
        key: the columns that name a row within its mission.
        told: what the row's hash covers, ``column`` or ``column:form``, in order.
        broken: SQL that says what of the row's own bytes doesn't fit, or null.
        mission: the column that names the mission.
        settles: a row may change as its mission goes on; otherwise it is written once.
        dropped: a prune drops the mission's rows.
        late: a row may come after the mission has ended.
    """

    name: str
    key: tuple[str, ...]
    told: tuple[str, ...]
    broken: str = "null::text"
    mission: str = "mission_id"
    settles: bool = False
    dropped: bool = False
    late: bool = False


@dataclass(frozen=True)
class Row:
    """A row as it is now: what its hash covers, the hash that is kept with it, and what else is wrong with it."""

    mission_id: str
    table: str
    key: str
    told: str
    kept: str
    broken: str | None

    @property
    def sha256(self) -> str:
        """The hash of what the row says now."""
        return hashlib.sha256(self.told.encode()).hexdigest()


_THREADS: dict[str, Any] = {"mission": "thread_id", "dropped": True, "late": True}
"""What the checkpointer's tables have in common; the last checkpoint comes after the last event."""


def _artifacts(name: str, *more: str) -> Table:
    return Table(name, ("revision", "artifact_id", "task_key"), (*_STORED, *more), _CONTENT)


TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        Table(
            "colony_missions",
            (),
            (
                *("mission_id", "tenant_id", "actor_id", "mission_type", "graph_version", "trace_id"),
                *("parent_mission_id", "parent_checkpoint_id", "lineage_kind"),
                *("payload:parts", "created_at:moment"),
            ),
            settles=True,
        ),
        Table(
            "colony_events",
            ("seq",),
            (
                *("mission_id", "seq:text", "tenant_id", "event_id", "event_type", "actor_id", "payload:copy:content"),
                *("prev_hash", "hash", "created_at:moment"),
            ),
        ),
        *(
            _artifacts(f"colony_{name}")
            for name in (
                *("plans", "tasks", "prompt_packages", "research_artifacts", "worker_results", "aggregation_packets"),
                "review_packets",
            )
        ),
        _artifacts("colony_librarian_passes", "expires_at:moment"),
        _artifacts("colony_policy_decisions", "layer", "outcome"),
        Table(
            "colony_pass_seals",
            ("pass_id", "task_key", "revision", "epoch"),
            (
                *("mission_id", "pass_id", "task_key", "revision:text", "epoch:text", "tenant_id", "actor_id"),
                *("expires_at:moment", "signature", "created_at:moment"),
            ),
        ),
        Table(
            "colony_model_calls",
            ("call_id",),
            (
                *("mission_id", "call_id", "tenant_id", "actor_id", "task_key", "revision:text", "status", "tier"),
                *("provider", "model", "request_sha256", "response_sha256=" + _ANSWER, "tokens_in:text"),
                *("tokens_out:text", "usage_source", "cost_usd:text", "duration_ms:text", "reason"),
                "created_at:moment",
            ),
            f"case when {_CALLED.format('r.request')} when {_ANSWERED.format('r.response')} end",
        ),
        Table(
            "colony_tool_calls",
            ("call_id",),
            (
                *("mission_id", "call_id", "tenant_id", "actor_id", "task_key", "revision:text", "status", "tool"),
                *("arguments:plain", "response_sha256=" + _ANSWER, "reason", "created_at:moment"),
            ),
            f"case when {_ANSWERED.format('r.response')} end",
        ),
        Table(
            "colony_approvals",
            ("interrupt_id",),
            (
                *("mission_id", "interrupt_id", "tenant_id", "actor_id", "status", "sha256", "payload:copy:content"),
                *("decision:copy:decision_content", "decision_content:bytes", "decided_by", "decided_at:moment"),
                *("expires_at:moment", "created_at:moment"),
            ),
            _CONTENT,
            settles=True,
        ),
        Table(
            "colony_approval_answers",
            ("interrupt_id", "number"),
            (
                *("mission_id", "interrupt_id", "number:text", "tenant_id", "actor_id", "on_behalf_of", "sha256"),
                *("payload:copy:content", "created_at:moment"),
            ),
            _CONTENT,
        ),
        Table(
            "colony_approval_grants",
            ("proposal_id", "payload_sha256"),
            (
                *("mission_id", "proposal_id", "payload_sha256", "interrupt_id", "tenant_id", "actor_id", "sha256"),
                *("payload:copy:content", "created_at:moment"),
            ),
            _CONTENT,
        ),
        Table(
            "colony_writebacks",
            ("proposal_id", "payload_sha256"),
            (
                *("mission_id", "proposal_id", "payload_sha256", "tenant_id", "actor_id", "status"),
                *("idempotency_key", "payload:plain", "outcome:plain", "created_at:moment"),
            ),
            settles=True,
        ),
        Table(
            "colony_recordings",
            ("position",),
            (
                *("mission_id", "position:text", "tenant_id", "stage", "revision:text", "task_key", "channel"),
                *("request_sha256", "answer_sha256", "created_at:moment"),
            ),
            _TAPED,
            dropped=True,
        ),
        Table(
            "colony_replay_reports",
            (),
            ("mission_id", "tenant_id", "identical:text", "payload:plain", "created_at:moment"),
            late=True,
        ),
        Table(
            "checkpoints",
            ("checkpoint_ns", "checkpoint_id"),
            (
                *("thread_id", "checkpoint_ns", "checkpoint_id", "tenant_id", "parent_checkpoint_id", "type"),
                *("checkpoint:state", "metadata:member"),
            ),
            **_THREADS,
        ),
        Table(
            "checkpoint_blobs",
            ("checkpoint_ns", "channel", "version"),
            ("thread_id", "checkpoint_ns", "channel", "version", "tenant_id", "type", "blob:bytes"),
            **_THREADS,
        ),
        Table(
            "checkpoint_writes",
            ("checkpoint_ns", "checkpoint_id", "task_id", "idx"),
            (
                *("thread_id", "checkpoint_ns", "checkpoint_id", "task_id", "idx:text", "tenant_id", "task_path"),
                *("channel", "type", "blob:bytes"),
            ),
            settles=True,
            **_THREADS,
        ),
    )
}
"""Every audited table by name, those first whose change explains another's."""


def told(table: Table, row: str = "r") -> str:
    """Return the SQL of what the hash of a row, so named in the query, covers: one JSON object of texts."""
    return f"json_build_object({', '.join(_pair(one, row) for one in table.told)})::text"


def fits(name: str, row: str) -> str:
    """Return the SQL of whether a checkpoint's row is what was written, or encrypted, which says more."""
    sealed = {
        "checkpoints": f"{row}.checkpoint -> 'channel_values' ? 'sealed' and {row}.metadata ? 'sealed'",
        **dict.fromkeys(("checkpoint_blobs", "checkpoint_writes"), _SEALED.format(f"{row}.blob")),
    }
    return f"({sealed[name]} or {row}.row_sha256 = sha256(convert_to({told(TABLES[name], row)}, 'UTF8')))"


def _pair(one: str, row: str) -> str:
    name, _, expression = one.partition("=")
    if not expression:
        name, _, rest = one.partition(":")
        form, _, other = rest.partition(":")
        expression = _FORMS[form].format(f"{row}.{name}", f"{row}.{other}")
    return f"'{name}', {expression.format(row)}"


def named(table: Table) -> str:
    """Return the SQL of what names a row ``r`` within its mission."""
    key = ", ".join(f"r.{column}" for column in table.key) or "''"
    return f"concat_ws(' ', {key})"


def _query(table: Table) -> str:
    return (
        f"select r.{table.mission} as mission_id, {named(table)} as key, {told(table)} as told, "  # noqa: S608
        f"encode(r.row_sha256, 'hex') as kept, {table.broken} as broken from {table.name} r "
        f"where r.{table.mission} = any(%(missions)s)"
    )


_QUERIES = {name: _query(table) for name, table in TABLES.items()}


def shown() -> Iterator[tuple[str, str]]:
    """Return the tables that a bundle is made of, each with the SQL of one mission's rows: ``key, told``."""
    for name, table in TABLES.items():
        if not table.dropped and name not in (EVENTS, "colony_replay_reports"):
            statement = f"select {named(table)} as key, {told(table)} as told from {name} r "  # noqa: S608 - those above
            yield name, statement + "where r.mission_id = %(mission_id)s"


def rows_of(conn: psycopg.Connection[DictRow], missions: Sequence[str]) -> Iterator[Row]:
    """Return every audited row of some missions, table by table, each table's in the order of its keys."""
    for name, query in _QUERIES.items():
        found = conn.execute(query.encode(), {"missions": list(missions)}).fetchall()
        for row in sorted(found, key=lambda r: (r["mission_id"], r["key"])):
            kept = row["kept"] or ""
            yield Row(row["mission_id"], name, row["key"], row["told"], kept, row["broken"])
