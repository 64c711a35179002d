"""What the embedded root would take: the hook that Colony asks before a person is asked, and before the write."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.postgres.root_store import RootStore
from adapters.root.records import ActivityKind, Versioned, storable
from colony_gateway.writebacks import PATH, Reason, Verdict, WritebackCheck, judged
from contracts.errors import BadInput, NotFound
from server.embedded_root.access import Store, Tenant, root_router
from server.embedded_root.crm import check_activity, check_stage
from server.embedded_root.exchange import etag_of

_KINDS: dict[str, ActivityKind] = {"note": "notes", "task": "tasks", "message": "messages"}

router = root_router()


@router.post(PATH)
async def validate(check: WritebackCheck, store: Store, tenant: Tenant) -> Verdict:
    """Say whether a write would be taken; writes nothing."""

    async def judge(asked: WritebackCheck) -> Sequence[Reason]:
        return await _reasons(store, tenant, asked)

    return await judged(check, judge)


async def _reasons(store: RootStore, tenant: str, check: WritebackCheck) -> list[Reason]:
    target, operation, after = check.proposal.target, check.proposal.operation, check.proposal.after
    if check.tenant_id != tenant:
        return [Reason(code="tenant_mismatch", detail="the write is for another tenant")]
    try:
        found = await _found(store, tenant, target.entity, operation, target.id)
    except NotFound as exc:
        return [Reason(code=exc.code, detail=exc.message)]
    if found is None:
        return [Reason(code="unknown_write", detail=f"there is no {operation} on {target.entity}")]
    if operation == "patch" and check.if_match != etag_of(found.version):
        return [Reason(code="precondition_stale", detail=f"the {target.entity} has changed since it was read")]
    if after.get(f"{target.entity}_id", target.id) != target.id:
        return [Reason(code="field_not_allowed", detail="an id can't be changed", field=f"{target.entity}_id")]
    try:
        storable(after)
        if operation != "patch":
            check_activity(_KINDS[operation], after)
        elif target.entity == "lead":
            check_stage(after)
    except (BadInput, ValueError) as exc:
        return [Reason(code=exc.code if isinstance(exc, BadInput) else "invalid_value", detail=str(exc))]
    return await _board(store, tenant, after.get("stage")) if target.entity == "lead" else []


async def _found(store: RootStore, tenant: str, entity: str, operation: str, name: str) -> Versioned | None:
    if entity == "lead":
        return await store.lead(tenant, name)
    if entity == "page" and operation == "patch":
        return await store.page(tenant, name)
    return None


async def _board(store: RootStore, tenant: str, stage: object) -> list[Reason]:
    _counts, board = await store.stages(tenant)
    if stage is None or board is None or stage in board:
        return []
    return [Reason(code="stage_unknown", detail="the board has no such stage", field="stage")]
