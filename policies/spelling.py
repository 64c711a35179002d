"""A question as it is hashed and as Cedar is asked it, from one pass over its inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.canonical import sha256_hex
from contracts.decisions import PolicyQuestion
from contracts.errors import Malformed

_said = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
_PARTS = frozenset({"type", "id", "attrs"})


@dataclass(frozen=True)
class Spelled:
    """A question in plain JSON.

    Attributes:
        question: as it is recorded: asking it again, from the store, gives the same answer.
        sha256: the hash of its canonical bytes, which ``PolicyQuestion.sha256`` gives, too.
        request: what Cedar is asked.
        entities: the two that it is asked about, as JSON.
    """

    question: PolicyQuestion
    sha256: str
    request: dict[str, Any]
    entities: str


def spelled(question: PolicyQuestion) -> Spelled:
    """Spell a question out.

    Raises:
        Malformed: it is not plain JSON, so that not even a denial of it could be recorded.
    """
    try:
        # Recorded and hashed is exactly what is evaluated.
        plain = question.model_dump(mode="json")
        context, principal, resource = _said(plain["context"]), _entity(plain["principal"]), _entity(plain["resource"])
        action, layer = _said(plain["action"]), _said(plain["layer"])
        whole = (
            f'{{"action":{action},"context":{context},"layer":{layer},"principal":{principal[0]},'
            f'"resource":{resource[0]}}}'
        )
        sha256 = sha256_hex(whole.encode())
        recorded = PolicyQuestion.model_validate(plain)
    except (TypeError, ValueError, RecursionError) as exc:
        raise Malformed("a policy question must be plain JSON") from exc
    request = {
        "principal": _uid(plain["principal"]),
        "action": {"type": "Action", "id": plain["action"]},
        "resource": _uid(plain["resource"]),
        "context": context,
    }
    return Spelled(recorded, sha256, request, f"[{principal[1]},{resource[1]}]")


def _entity(entity: Mapping[str, Any]) -> tuple[str, str]:
    """Return an entity as the question holds it, and as Cedar is told of it."""
    if entity.keys() != _PARTS:
        return _said(entity), _said({"uid": {k: entity.get(k) for k in ("type", "id")}, "attrs": entity.get("attrs")})
    attrs, name, kind = _said(entity["attrs"]), _said(entity["id"]), _said(entity["type"])
    told = f'{{"uid":{{"type":{kind},"id":{name}}},"attrs":{attrs},"parents":[]}}'
    return f'{{"attrs":{attrs},"id":{name},"type":{kind}}}', told


def _uid(entity: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": entity.get("type"), "id": entity.get("id")}
