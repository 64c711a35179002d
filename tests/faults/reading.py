"""How the checker reads evidence: rows by mission, what a write says, what a grant says and is bound to."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

Row = dict[str, Any]
Found = Iterator[tuple[str | None, str]]


def by_mission(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["mission_id"]].append(row)
    return found


def said(tenant: str, lead_id: str, operation: str, body: Any) -> tuple[str, str, str, str]:
    return tenant, lead_id, operation, json.dumps(body, sort_keys=True)


def of_grant(grant: Row) -> tuple[str, str, str, str]:
    payload = json.loads(grant["content"])
    return said(grant["tenant_id"], payload["target"]["id"], payload["operation"], payload["after"])


def payload_hash(payload: Row) -> str:
    bound = {name: payload[name] for name in ("target", "operation", "precondition", "before", "after")}
    plain = json.dumps(bound, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(plain.encode()).hexdigest()
