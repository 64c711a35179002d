"""Tool and model calls: each tool call is one that the task's own pass grants, argument by argument."""

from __future__ import annotations

from collections import defaultdict

from server.verify.contents import Contents
from server.verify.plain import Broken, Record, canonical, same


def tools(c: Contents) -> str:
    """Hold every tool call against the passes of its task.

    Raises:
        Broken: a tool was called that no pass of the task grants with these arguments, or the chain says otherwise.
    """
    granted: dict[str, set[tuple[str, bytes]]] = defaultdict(set)
    for one in c.of("librarian_pass"):
        for grant in one.records("grants"):
            granted[one.text("task_key")].add((grant.text("tool"), canonical(grant.record("arguments").fields)))
    for call in c.tool_calls:
        asked = (call.text("tool"), canonical(call.record("arguments").fields))
        if call.text("status") != "refused" and asked not in granted[call.text("task_key")]:
            raise Broken(f"{call.where}: {asked[0][:60]} was called outside what the task's pass grants")
    recorded = {_told(call) for call in c.tool_calls}
    reported = {_told(e.payload) for e in c.events_of("tool.called", "tool.denied") if "tool" in e.payload.fields}
    if recorded != reported:
        raise Broken("the tool calls are not those that the chain records")
    for event in c.events_of("tool.called"):
        if "response_sha256" in event.payload.fields:
            said = event.payload.text("response_sha256")
            if not any(call.fields.get("response_sha256") == said for call in c.tool_calls):
                raise Broken(f"event {event.seq} (tool.called) reports an answer that no record has")
    refused = sum(call.text("status") == "refused" for call in c.tool_calls)
    return f"{len(c.tool_calls)} tool calls, {refused} refused, the others as a pass grants them"


def _told(call: Record) -> bytes:
    return canonical([call.text(key) for key in ("task_key", "tool", "status")] + [call.record("arguments").fields])


def models(c: Contents) -> str:
    """Hold the model calls that the chain reports against their records.

    Raises:
        Broken: a reported call has no record, or another one.
    """
    records = {call.text("call_id"): call.fields for call in c.model_calls}
    if len(records) < len(c.model_calls):
        raise Broken("model_calls.jsonl lists a call twice")
    for event in c.events_of("model.called"):
        said = event.payload.fields
        record = records.get(event.payload.text("call_id"))
        if record is None or not all(same(said[key], record[key]) for key in said.keys() & record.keys()):
            raise Broken(f"event {event.seq} (model.called) reports a call whose record is missing or says otherwise")
    tokens = sum(call.whole("tokens_in") + call.whole("tokens_out") for call in c.model_calls)
    return f"{len(c.model_calls)} model calls, {tokens} tokens"
