"""Mechanisms taken away, one by one, by name: inside a process that the harness starts, or in its database.

What holds each is taken away from outside, so that the product has no switch that turns a promise off.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Any

import adapters.postgres.claims
import graph.approvals
import graph.leases
import graph.metering
import graph.runner
import server.answering
import server.missions
import server.routes.events
from adapters.postgres.ledger import RunLedger
from adapters.postgres.missions import MissionStore, Pending
from adapters.postgres.outbox import Settled
from adapters.postgres.queries import Queries
from adapters.postgres.unit import Unit
from adapters.root.writer import RootWriter
from contracts.ports import Allowance
from contracts.stateflow import Status
from graph.context import RunContext
from graph.topology import build, roles
from server.relay import Relay
from server.worker import Worker

MECHANISMS: dict[str, Callable[[], None]] = {}


def _mechanism(name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def named(take_away: Callable[[], None]) -> Callable[[], None]:
        MECHANISMS[name] = take_away
        return take_away

    return named


def _rewrite(owner: str, query: str, was: str, to: str) -> None:
    """Let a named query be loaded as another."""
    load = Queries.load.__func__  # type: ignore[attr-defined]

    def loaded(cls: Any, name: str) -> Queries:
        found = load(cls, name)
        if name == owner:
            assert was in found[query], f"{owner}.{query} no longer says {was!r}"
            found._blocks[query] = found[query].replace(was, to)
        return found

    Queries.load = classmethod(loaded)  # type: ignore[method-assign,assignment]


@_mechanism("idempotency-key")
def _no_key() -> None:
    """Every sending of a write goes out under a key of its own."""
    send = RootWriter.send

    async def keyless(
        self: RootWriter, tenant_id: str, proposal: Any, precondition: Any, key: str
    ) -> Mapping[str, Any]:
        return await send(self, tenant_id, proposal, precondition, secrets.token_hex(16))

    RootWriter.send = keyless  # type: ignore[method-assign]


@_mechanism("lease")
def _no_lease() -> None:
    """A claim does not look whether somebody else holds the mission."""
    _rewrite("claims", "read", "nullif(l.lease_until, '-infinity') > clock_timestamp() as leased", "null as leased")


@_mechanism("own-end")
def _no_own_end() -> None:
    """A run does not end itself when its lease does, as where a clock stands still."""
    graph.leases._Held.stop = lambda _self: None  # type: ignore[method-assign,assignment,return-value]


@_mechanism("sweeper")
def _no_sweeper() -> None:
    """Nobody looks for missions that nobody runs."""

    async def blind(_self: Worker) -> None:
        return None

    Worker.sweep_once = blind  # type: ignore[method-assign]


@_mechanism("gate")
def _no_gate() -> None:
    """The graph asks nobody, and writes whatever the workers proposed."""
    from tests.saboteurs.test_binding import NO_GATE_NOR_WRITEBACK

    graph.runner.compiled = lambda: build({**roles(), **NO_GATE_NOR_WRITEBACK}).compile()  # type: ignore[assignment]


@_mechanism("approval-hash")
def _no_hash() -> None:
    """An answer counts for what is pending, whatever it says that it is for."""
    real = graph.approvals.decide

    def trusting(asked: graph.approvals.Asked, answers: Any, *rest: Any, **named: Any) -> Any:
        shown = {p.proposal_id: p.payload_sha256 for p in asked.request.proposals}
        believed = [a.model_copy(update={"payload_sha256": shown[a.proposal_id]}) for a in answers]
        return real(asked, believed, *rest, **named)

    graph.approvals.decide = trusting


@_mechanism("one-answer")
def _many_answers() -> None:
    """A question that was answered takes another answer."""
    _rewrite("missions", "pending", "and status = 'pending'", "")
    _rewrite("unit", "decide", "and status = 'pending'", "")
    _rewrite("unit", "grant", "%(sha256)s)", "%(sha256)s) on conflict do nothing")

    def pending(taken: Any, _interrupt_id: str | None) -> Pending:
        return taken.pending

    move = Unit.move

    async def again(self: Unit, status: Status, **more: Any) -> None:
        await (self._guarded("enter_running") if status is Status.RUNNING else move(self, status, **more))

    server.answering.waiting = server.missions.waiting = pending
    enter = "update colony_missions set status = 'running' where mission_id = %(mission_id)s and epoch = %(epoch)s"
    _add("unit", "enter_running", enter)
    Unit.move = again  # type: ignore[method-assign]


def _add(owner: str, query: str, statement: str) -> None:
    load = Queries.load.__func__  # type: ignore[attr-defined]

    def loaded(cls: Any, name: str) -> Queries:
        found = load(cls, name)
        if name == owner:
            found._blocks[query] = statement
        return found

    Queries.load = classmethod(loaded)  # type: ignore[method-assign,assignment]


@_mechanism("submission-key")
def _no_submission_key() -> None:
    """A submission does not look whether its key was used."""

    async def unused(*_: Any) -> bool:
        return True

    MissionStore._reserve = unused  # type: ignore[method-assign,assignment]


@_mechanism("last-event-id")
def _no_last_event_id() -> None:
    """A stream begins at the beginning, whatever its reader has seen."""
    real = server.routes.events.stream

    def forgetful(*parts: Any) -> Any:
        return real(*parts[:-1], 0)

    server.routes.events.stream = forgetful  # type: ignore[assignment]


@_mechanism("reservation")
def _no_reservation() -> None:
    """A model call is made whatever is left of the budget."""

    async def generous(self: Any, tokens_in: int, most_out: int) -> Allowance:
        self._named += 1
        self._under_way += 1
        name = graph.metering.digest([self._mission.mission_id, self._mission.epoch, self._named])
        allowance = Allowance(f"mc_{name[:24]}", tokens_in, most_out)
        self._move(allowance.tokens_in + allowance.most_out)
        return allowance

    graph.metering.Budget.reserve = generous  # type: ignore[method-assign]


@_mechanism("mark-after-publishing")
def _mark_first() -> None:
    """The relay's cursor moves before the events are with the broker."""

    async def turn(self: Any) -> bool:
        lines = await self._outbox.take(self._pace.missions, self._pace.events, self._pace.room)
        if lines:
            await self._outbox.settle([Settled(line, line.seq) for line in lines])
            await self._channel.deliver(lines)
        return bool(lines)

    Relay.turn = turn  # type: ignore[method-assign]


@_mechanism("quarantine")
def _no_quarantine() -> None:
    """A mission may kill as many workers as it likes."""
    adapters.postgres.claims.MOST_DEATHS = 1_000


@_mechanism("patience")
def _no_patience() -> None:
    """A mission is given up with the first worker that dies in it."""
    adapters.postgres.claims.MOST_DEATHS = 1


@_mechanism("grants")
def _grants_forgotten() -> None:
    """A mission goes by some of what was granted."""
    stored = RunLedger.grants

    async def some(self: RunLedger) -> Any:
        return (await stored(self))[:-1]

    RunLedger.grants = some  # type: ignore[method-assign]


@_mechanism("outcome")
def _no_outcome() -> None:
    """How a write ended is not recorded."""

    async def forgotten(*_: Any) -> None:
        return None

    Unit.settle = forgotten  # type: ignore[method-assign]


@_mechanism("results")
def _no_results() -> None:
    """Nobody looks which tasks are done."""

    async def none(*_: Any) -> Mapping[str, Any]:
        return {}

    RunLedger.results = none  # type: ignore[method-assign,assignment]


@_mechanism("memo")
def _no_memo() -> None:
    """A step that was stored without its checkpoint is not known as done."""
    RunContext.recall = lambda _self: ("", {})  # type: ignore[method-assign,assignment,return-value]


@_mechanism("kept-reservation")
def _reservation_forgotten() -> None:
    """What a dead process had set aside for its calls counts as free."""
    begin = graph.metering.Budget.__init__

    def forgetful(self: Any, mission: Any, record: Any, keep: Any) -> None:
        record.reserved = 0
        begin(self, mission, record, keep)

    graph.metering.Budget.__init__ = forgetful  # type: ignore[method-assign]


@_mechanism("seq-of-the-row")
def _seq_apart() -> None:
    """The number of an event comes from a sequence beside the row, which no rollback takes back."""
    _rewrite("unit", "head", "select seq, head", "select nextval('observed.seq') - 1 as seq, head")
    _rewrite("unit", "advance", "and seq = %(was)s", "and setval('observed.seq', %(seq)s) = %(seq)s and %(was)s >= 0")


@_mechanism("look-before-expiry")
def _blind_expiry() -> None:
    """What was overdue is ended, whatever became of it since."""
    server.answering.waiting = server.missions.waiting = lambda taken, _interrupt_id: taken.pending
    _add("claims", "overdue", "select * from observed.overdue()")


FENCE_DROPPED = """
do $$
declare
  t record;
begin
  for t in select tgrelid::regclass as name from pg_trigger where tgname = 'fence' loop
    execute format('drop trigger fence on %s', t.name);
  end loop;
end $$
"""
ROW_SECURITY_OFF = (
    "alter table colony_missions disable row level security",
    "alter table colony_budgets disable row level security",
)
SEQ_APART = (
    "create sequence observed.seq",
    "grant usage on schema observed to public",
    "grant all on observed.seq to public",
)
# An approval that was answered is found overdue as well.
ANSWERED_IS_OVERDUE = (
    """create function observed.overdue() returns table (mission_id text, tenant_id text, interrupt_id text)
       language sql security definer set search_path = public as $$
         select mission_id, a.tenant_id, interrupt_id from colony_approvals a join colony_missions m using (mission_id)
         where a.expires_at < clock_timestamp() and m.status in ('running', 'awaiting_approval')
       $$""",
    "grant usage on schema observed to public",
)
GRANT_NOT_NEEDED = "alter table colony_writebacks drop constraint writeback_needs_grant"
