"""Who may change or remove what is on record, as the catalog says: nobody, but for what is listed here."""

import pytest
from psycopg import Connection
from psycopg.rows import DictRow

from adapters.postgres.audit.rows import TABLES
from tests.saboteurs.conftest import Finished

WORKING = {
    *("colony_leases", "colony_deltas", "colony_outbox", "colony_outbox_channels", "colony_dead_letters"),
    *("colony_metric_deltas", "colony_metric_totals", "colony_budgets", "colony_submissions"),
    # Notes of the SDK's clients, and what developers' own graphs say: no mission's.
    *("colony_threads", "colony_assistants", "colony_runs", "colony_frames", "colony_memories"),
    *("colony_crons", "colony_assistant_versions"),
}
"""What is no record: leases, counters, what is under way. A table that is not here is one."""
MAY = {
    ("colony_app", "checkpoint_writes", "update *"),
    ("colony_app", "colony_missions", "update *"),
    ("colony_app", "colony_tasks", "update status updated_at"),
    (
        "colony_app",
        "colony_approvals",
        "update decided_at decided_by decision decision_content epoch escalate_at escalated_at expires_at status "
        "updated_at",
    ),
    ("colony_app", "colony_writebacks", "update epoch outcome status updated_at"),
    ("colony_app", "colony_delegations", "update revoked_at revoked_by"),
    ("colony_app", "colony_api_keys", "update revoked_at revoked_by"),
    ("colony_system", "colony_api_keys", "update last_used_at"),
    ("colony_app", "colony_halts", "update lifted_at lifted_by"),
    ("colony_system", "colony_halts", "update *"),
    # What replay alone needs, of missions that ended long ago; the hashes stay, and the mission says when.
    *(("colony_pruner", f"checkpoint{name}", "delete") for name in ("s", "_blobs", "_writes")),
    # Of threads that are no missions, by one function that looks.
    *(("colony_system", f"checkpoint{name}", "delete") for name in ("s", "_blobs", "_writes")),
    ("colony_pruner", "colony_recorded", "delete"),
    ("colony_pruner", "colony_recordings", "delete"),
    ("colony_pruner", "colony_model_calls", "update request response response_sha256"),
    ("colony_pruner", "colony_tool_calls", "update response response_sha256"),
    ("colony_pruner", "colony_missions", "update pruned_at step_key step_update"),
}
SEALED = {
    *("payload", "content", "decision", "decision_content", "outcome", "request", "response", "response_sha256"),
    *("arguments", "step_update", "checkpoint", "metadata", "blob"),
}
GRANTED = """
select r.rolname::text as role, t.relname::text as name, p.privilege,
  case when p.privilege <> 'update' or has_table_privilege(r.oid, t.oid, 'update') then '*' else (
    select string_agg(a.attname::text, ' ' order by a.attname::text) from pg_attribute a
    where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
      and has_column_privilege(r.oid, t.oid, a.attnum, 'update')
  ) end as columns
from pg_class t cross join pg_roles r
cross join unnest(array['update', 'delete', 'truncate', 'trigger']) as p(privilege)
where t.relkind in ('r', 'p') and t.relnamespace = 'public'::regnamespace and not t.relname = any(%s)
  and not r.rolsuper and r.rolname not like 'pg\\_%%' and r.rolname <> 'colony_owner'
  and (has_table_privilege(r.oid, t.oid, p.privilege)
       or p.privilege = 'update' and has_any_column_privilege(r.oid, t.oid, 'update'))
"""


def nobody_may_change_what_is_on_record(conn: Connection[DictRow]) -> None:
    """The check: over every role that is no superuser and every table, exactly what is listed may be changed."""
    found = conn.execute(GRANTED, [sorted(WORKING)]).fetchall()
    said = {(r["role"], r["name"], f"{r['privilege']} {r['columns']}".replace("delete *", "delete")) for r in found}
    sealing = {one for one in said if one[0] == "colony_sealer"}
    # It writes payloads anew under another key; what says whose they are, when and by whom is out of its reach.
    columns = {column for _, _, privilege in sealing for column in privilege.removeprefix("update ").split()}
    assert columns <= SEALED
    assert said - sealing == MAY


def test_nobody_may_change_what_is_on_record(finished: Finished) -> None:
    with finished.db.undone() as conn:
        nobody_may_change_what_is_on_record(conn)


@pytest.mark.parametrize(
    "grant",
    [
        pytest.param("grant update on colony_events to colony_app", id="events-updated"),
        pytest.param("grant delete on colony_audit_roots to colony_audit", id="roots-deleted"),
        pytest.param("grant truncate on colony_audit_leaves to colony_app", id="leaves-truncated"),
        pytest.param("grant update (seq) on colony_audit_leaves to public", id="leaves-updated-by-all"),
        pytest.param("grant trigger on colony_approvals to colony_app", id="triggers-made"),
        pytest.param("grant colony_owner to colony_app with inherit true", id="belongs-to-the-owner"),
    ],
)
def test_a_grant_too_many_is_noticed(finished: Finished, grant: str) -> None:
    with finished.db.undone() as conn:
        conn.execute(grant)
        with pytest.raises(AssertionError):
            nobody_may_change_what_is_on_record(conn)


def test_every_table_with_a_mission_is_audited_or_at_work(finished: Finished) -> None:
    with finished.db.undone() as conn:
        found = conn.execute(
            "select distinct c.relname::text as name from pg_class c join pg_attribute a on a.attrelid = c.oid "
            "where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace and not a.attisdropped "
            "and a.attname in ('mission_id', 'thread_id')"
        ).fetchall()
        assert {row["name"] for row in found} - WORKING - set(TABLES) == {
            # Hints for later missions, which fade; what seals the others.
            "colony_pheromone_signals",
            "colony_audit_leaves",
        }


EXECUTED = """
select r.rolname::text as role, p.proname::text as name from pg_proc p cross join pg_roles r
where p.prosecdef and p.proowner = 'colony_system'::regrole and has_function_privilege(r.oid, p.oid, 'execute')
  and r.rolname in ('colony_queue', 'colony_root', 'colony_audit', 'colony_backup', 'colony_pruner')
"""
QUEUES = {("colony_queue", "colony_is_foreign"), ("colony_queue", "colony_is_waiting")}


def what_crosses_tenants_is_for_whom_it_is_for(conn: Connection[DictRow]) -> None:
    """The check: functions that see every tenant's rows are the service's, and two of them the queue's."""
    assert {(r["role"], r["name"]) for r in conn.execute(EXECUTED).fetchall()} == QUEUES


def test_what_crosses_tenants_is_for_whom_it_is_for(finished: Finished) -> None:
    with finished.db.undone() as conn:
        what_crosses_tenants_is_for_whom_it_is_for(conn)


def test_a_function_that_is_everybodys_is_noticed(finished: Finished) -> None:
    with finished.db.undone() as conn:
        conn.execute("grant execute on function colony_look_up_key(text, bytea) to public")
        with pytest.raises(AssertionError):
            what_crosses_tenants_is_for_whom_it_is_for(conn)
