"""The constitution: what every decision was made under, as it was signed, and what it let be done."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

from server.verify.contents import Contents
from server.verify.ed25519 import verified
from server.verify.plain import Broken, Record, parse, sha256_hex

_SIGNED_AS = b"colony.constitution.v1\n"
_ID_DIGITS = 16


def constitutions(c: Contents) -> str:
    """See that each decision names a document that is here, hashes to its name and is signed, and kept to its limits.

    Raises:
        Broken: a document is missing, was changed, is not signed by its key or by a trusted one, or was not kept to.
    """
    decisions = c.of("policy_decision")
    named = {str(d.fields["constitution_sha256"]) for d in decisions if "constitution_sha256" in d.fields}
    held = {row.text("sha256"): row for row in c.constitutions}
    if len(held) < len(c.constitutions) or set(held) != named:
        raise Broken("the constitutions in the bundle are not those that its decisions were made under")
    if not named:
        return "the mission is from before there was a constitution"
    checked = sum(_signed(row, c.trusted) for row in c.constitutions)
    for decision in decisions:
        if (limits := limits_of(c, decision)) is not None and decision.text("outcome") != "deny":
            _kept_to(decision, limits)
    return f"{len(held)} constitution(s), {_told(c, checked)}"


def _told(c: Contents, checked: int) -> str:
    keys = ", ".join(sorted({row.text("key_id")[:_ID_DIGITS] for row in c.constitutions}))
    if c.trusted:
        return f"signed by a key you trust ({keys})"
    if checked < len(c.constitutions):
        return f"said to be signed by key {keys}, which is not here: give --constitution-key"
    return f"signed by key {keys}; that it is the operator's you must know: give --constitution-key"


def document(row: Record) -> Record:
    """Return what was signed.

    Raises:
        Broken: it has another hash than its name.
    """
    content = row.text("content").encode()
    if sha256_hex(content) != row.text("sha256"):
        raise Broken(f"{row.where}: the constitution has another hash than its name: it was changed")
    found = Record.of(parse(content, f"{row.where}, content"), f"the constitution of {row.where}")
    if found.whole("version") != row.whole("version"):
        raise Broken(f"{row.where}: the constitution has another version than is said of it")
    return found


def limits_of(c: Contents, decision: Record) -> Record | None:
    """Return the limits that a decision was made under; None for one from before there were any."""
    name = decision.fields.get("constitution_sha256")
    row = next((row for row in c.constitutions if row.text("sha256") == name), None)
    return None if row is None else document(row).record("limits")


def people_for(limits: Record | None, question: Record) -> int:
    """Return how many different people the constitution asks for, at least, for what a question is about."""
    if limits is None:
        return 1
    change = question.record("resource").record("attrs")
    mission = question.record("principal").record("attrs")
    risky = "high" in {change.fields.get("risk_level"), mission.fields.get("risk_level")}
    return limits.whole("high_risk_people") if risky or change.fields.get("operation") == "message" else 1


def _signed(row: Record, trusted: Iterable[bytes]) -> bool:
    """Tell whether a key was there to verify the signature by."""
    document(row)
    own = row.text_or_none("public_key")
    keys = list(trusted) or ([_bytes(row, own)] if own is not None else [])
    message, signature = _SIGNED_AS + row.text("content").encode(), _bytes(row, row.text("signature"))
    fitting = [key for key in keys if sha256_hex(key)[:_ID_DIGITS] == row.text("key_id")]
    if keys and not any(verified(key, message, signature) for key in fitting):
        raise Broken(f"{row.where}: the constitution's signature is not by the key {row.text('key_id')[:_ID_DIGITS]}")
    return bool(keys)


def _bytes(row: Record, text: str) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    # One spelling for each value: the last digit has bits that stand for nothing.
    if base64.b64encode(value).decode() != text:
        raise Broken(f"{row.where}: a signature or key is not base64")
    return value


def _kept_to(decision: Record, limits: Record) -> None:
    question = decision.record("question")
    pinned = limits.texts("rules_sha256")
    if pinned and decision.text("rules_sha256") not in pinned:
        raise Broken(f"{decision.where}: the constitution did not let this rule set decide")
    resource = question.record("resource")
    change = question.text("layer") == "release" and resource.text("type") == "Proposal"
    if change and resource.record("attrs").text("operation") not in limits.texts("effects"):
        raise Broken(f"{decision.where}: the constitution did not allow this kind of change")
    if question.text("action") == "release":
        tier = question.record("principal").record("attrs").text("autonomy_tier")
        if tier not in limits.texts("autonomy_tiers"):
            raise Broken(f"{decision.where}: the constitution did not allow a mission of this autonomy tier")
