"""The routes that an import goes through: batches of records, each of which is taken or refused by itself."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request, Response
from pydantic import ValidationError

from adapters.root.records import RECORDS, Kind, Record, Rejected, reason_of
from contracts.errors import BadInput, TooLarge
from server.embedded_root.access import Store, Tenant, root_router
from server.embedded_root.exchange import read_object, shown

MAX_RECORDS = 1_000

router = root_router("/import")


@router.post("/{kind}")
async def import_batch(request: Request, kind: Kind, store: Store, tenant: Tenant) -> Response:
    """Take `{items: [record…]}`; a record replaces the one with its id, whose version moves only if it differs."""
    good, rejected = await asyncio.to_thread(_checked, kind, (await read_object(request)).get("items"))
    outcome = await store.put(tenant, kind, [record for _, record in good])
    by_store = tuple(Rejected(index=good[r.index][0], reason=r.reason) for r in outcome.rejected)
    whole = sorted((*rejected, *by_store), key=lambda r: r.index)
    return shown(outcome.model_copy(update={"rejected": tuple(whole)}).model_dump(mode="json"))


def _checked(kind: Kind, items: Any) -> tuple[list[tuple[int, Record]], list[Rejected]]:
    if not isinstance(items, list):
        raise BadInput("the body has no list `items`")
    if len(items) > MAX_RECORDS:
        raise TooLarge(f"a batch has {MAX_RECORDS} records at most")
    good: list[tuple[int, Record]] = []
    rejected: list[Rejected] = []
    for index, item in enumerate(items):
        try:
            good.append((index, RECORDS[kind].model_validate(item)))
        except ValidationError as exc:
            rejected.append(Rejected(index=index, reason=reason_of(exc)))
    return good, rejected
