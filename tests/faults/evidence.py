"""What is judged: the history, the root's own effects and what is stored, in one folder that stands on its own."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.history import Line, read_lines
from tests.faults.stand import Row, Stand

_WHOLE = {
    "missions": "select mission_id, tenant_id, status, stage, seq, head, epoch, attempts, created_at, "
    "payload #>> '{failure,code}' as code from colony_missions",
    "events": "select mission_id, tenant_id, seq, epoch, event_id, event_type, prev_hash, hash, payload, "
    "convert_from(content, 'utf8') as content, extract(epoch from created_at)::float8 as at from colony_events",
    "approvals": "select mission_id, tenant_id, interrupt_id, status, convert_from(content, 'utf8') as content, "
    "convert_from(decision_content, 'utf8') as decision, decided_by, "
    "extract(epoch from expires_at)::float8 as expires_at, extract(epoch from updated_at)::float8 as at "
    "from colony_approvals",
    "grants": "select mission_id, tenant_id, proposal_id, payload_sha256, interrupt_id, "
    "convert_from(content, 'utf8') as content from colony_approval_grants",
    "writebacks": "select mission_id, tenant_id, proposal_id, payload_sha256, status, idempotency_key, payload "
    "from colony_writebacks",
    "budgets": "select mission_id, token_budget, tokens_in, tokens_out, model_calls from colony_budgets",
    "model_calls": "select mission_id, call_id, tokens_in + tokens_out as tokens, status from colony_model_calls",
    "leases": "select * from observed.leases",
    "writes": "select * from observed.writes",
    "submissions": "select tenant_id, idempotency_key, mission_id from colony_submissions",
}
# Every table that says to which mission a row belongs; the catalog knows them all, those added tomorrow included.
_TABLES = """
select c.relname as name,
       bool_or(a.attname = 'thread_id') as thread, bool_or(a.attname = 'epoch') as epoch
from pg_class c join pg_attribute a on a.attrelid = c.oid and not a.attisdropped
where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
group by c.relname
having bool_or(a.attname in ('mission_id', 'thread_id')) and bool_or(a.attname = 'tenant_id') order by 1
"""


@dataclass
class Evidence:
    """Everything that the checker looks at."""

    history: list[Line] = field(default_factory=list)
    effects: list[Row] = field(default_factory=list)
    points: list[Line] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    tables: dict[str, list[Row]] = field(default_factory=dict)
    facts: Row = field(default_factory=dict)

    def of(self, table: str) -> list[Row]:
        return self.tables.get(table, [])


async def collect(stand: Stand, **facts: Any) -> Path:
    """Write down what is stored and what the root did, beside the history; returns the folder."""
    stored = {name: await stand.rows(statement) for name, statement in _WHOLE.items()}
    stored["rows"] = []
    for table in await stand.rows(_TABLES):
        mission, epoch = "thread_id" if table["thread"] else "mission_id", "epoch" if table["epoch"] else "null::bigint"
        fenced = table["epoch"] and table["name"] not in {"colony_missions", "colony_leases"}
        stored["rows"] += await stand.rows(
            f"select '{table['name']}' as table, {mission} as mission_id, tenant_id, {epoch} as epoch, "
            f'{fenced} as fenced from "{table["name"]}"'
        )
    stored["effects"] = stand.root.effects
    stored["facts"] = [facts]
    for name, found in stored.items():
        text = "".join(json.dumps(row, default=str) + "\n" for row in found)
        (stand.folder / f"stored-{name}.jsonl").write_text(text, encoding="utf-8")
    return stand.folder


def load(folder: Path) -> Evidence:
    """Read a folder back."""
    return Evidence(
        history=read_lines(folder / "history.jsonl"),
        effects=read_lines(folder / "stored-effects.jsonl"),
        points=read_lines(folder / "points.jsonl"),
        rows=read_lines(folder / "stored-rows.jsonl"),
        tables={name: read_lines(folder / f"stored-{name}.jsonl") for name in _WHOLE},
        facts=next(iter(read_lines(folder / "stored-facts.jsonl")), {}),
    )
