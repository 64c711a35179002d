"""Taint: what a person was shown as coming from untrusted text is what the evidence's own labels say."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from server.verify.approvals import request_of
from server.verify.contents import Contents
from server.verify.plain import Broken, Record

_UNTRUSTED = {"customer", "web"}
_UNKNOWN = "unknown"
"""Stands for text that was put before a model and is no stored evidence: it counts as a stranger's."""


def taints(c: Contents) -> str:
    """Compute from the labels of the evidence which fields of each proposal a person had to be warned of.

    Raises:
        Broken: a field was shown as untainted, or as tainted by less, than what it was made from.
    """
    judged: dict[str, set[str]] = {}
    for decision in c.of("policy_decision"):
        question = decision.record("question")
        attrs = question.record("resource").fields.get("attrs")
        if question.text("action") == "release" and isinstance(attrs, dict) and "tainted_fields" in attrs:
            judged[question.record("resource").text("id")] = set(Record(question.where, attrs).texts("tainted_fields"))
    shown = 0
    for approval in c.approvals:
        for proposal in request_of(approval).records("proposals"):
            if proposal.text("payload_sha256") in judged:
                _held(c, approval.where, proposal, judged[proposal.text("payload_sha256")])
                shown += len(proposal.records("taint"))
    return f"{shown} fields were shown as coming from untrusted text, as the evidence's labels say"


def _held(c: Contents, where: str, proposal: Record, judged: set[str]) -> None:
    name = f"{where}: proposal {proposal.text('proposal_id')[:60]}"
    cited = {citation.text("artifact_id") for citation in proposal.records("citations")}
    untrusted = {one for one in cited if _trust(c, one) in _UNTRUSTED}
    marked = {taint.text("field"): taint for taint in proposal.records("taint")}
    told = {field: _told(field, proposal.record("after").fields) for field in marked}
    # Those within others have been told of since.
    if judged not in ({_spelt(_last(field)) for field in marked}, set().union(*told.values())):
        raise Broken(f"{name}: policy was told of other tainted fields than the person was shown")
    if untrusted and (missing := sorted(proposal.record("after").fields.keys() - marked.keys())):
        raise Broken(f"{name}: `{missing[0][:40]}` was shown as untainted, and cites untrusted text")
    for field, taint in marked.items():
        sources = taint.texts("artifact_ids")
        labels = {"web" if one == _UNKNOWN else _trust(c, one) for one in sources}
        if not labels <= _UNTRUSTED or not untrusted <= set(sources):
            raise Broken(f"{name}: `{field[:40]}` is not tainted by what it was made from")
        if taint.text("trust") != ("web" if "web" in labels else "customer"):
            raise Broken(f"{name}: `{field[:40]}` was shown as more trusted than what it was made from")


def _told(field: str, after: Mapping[str, Any]) -> set[str]:
    """Return the names that policy is told of a tainted field: its own, and those of all that lies within it."""
    found = {_spelt(_last(field))}
    waiting: list[tuple[str, Any]] = [(field, after[field])] if field in after else []
    while waiting:
        name, value = waiting.pop()
        found |= {_spelt(part) for part in name.split(".")}
        held = [value]
        while held:
            one = held.pop()
            if isinstance(one, dict):
                waiting += one.items()
            elif isinstance(one, list):
                held += one
    return found


def _last(field: str) -> str:
    return re.split(r"[.\[]", field)[-1]


def _spelt(name: str) -> str:
    """Return a name in the one spelling of the rules: ``ownerId`` and ``Owner-ID`` are both ``owner_id``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", unicodedata.normalize("NFKC", name))
    return re.sub(r"[^\w]+", "_", words).strip("_").casefold()


def _trust(c: Contents, artifact_id: str) -> str:
    return c.artifact(artifact_id, "ra_").text("trust")
