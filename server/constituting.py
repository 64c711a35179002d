"""What people do about the constitution: look at it, propose a signed one, agree to it or turn it down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field

from adapters.postgres.constitutions import Became, ConstitutionStore
from contracts.canonical import sha256_hex
from contracts.clock import rfc3339
from contracts.constitution import Constitution, SignedConstitution
from contracts.errors import Conflict, ConstitutionUnverified, NotFound
from graph.constitution import Guard, InForce
from server.principal import Principal


class ConstitutionProposal(SignedConstitution):
    """A signed constitution that somebody wants in force."""

    reason: str = Field(default="", max_length=2_000)


_STALE = (
    "another constitution is in force than the one it was written against",
    "Its previous_sha256 must be the hash of the one in force, and its version higher: `constitution show --draft`.",
)
_REFUSED: Mapping[str, tuple[str, str, str]] = {
    "known": ("already_proposed", "this constitution has been proposed already", "Somebody else may approve it."),
    "stale": ("constitution_stale", *_STALE),
    "already_activated": ("already_decided", "this constitution was activated already", ""),
    "already_rejected": ("already_decided", "this constitution was turned down", "Sign another."),
}


@dataclass(frozen=True)
class Constituting:
    """The service over the store."""

    store: ConstitutionStore
    guard: Guard

    async def verified(self) -> InForce:
        """Return what is in force.

        Raises:
            ConstitutionUnverified: nothing that holds is.
        """
        return self.guard.verified(await self.store.in_force())

    async def state(self) -> dict[str, Any]:
        """Return what is in force, or why nothing is.

        The hash is what the store names; the version is the highest that was ever seen.
        """
        stored = await self.store.in_force()
        highest = max((stored.highest or 0) if stored else 0, self.guard.seen)
        named = {"sha256": stored.sha256 if stored else None, "version": highest or None}
        try:
            found = self.guard.verified(stored)
        except ConstitutionUnverified as exc:
            why = {"code": exc.code, "reason": exc.message, "hint": exc.hint}
            return {"status": "unverified", **named, **why, "constitution": None}
        document = found.constitution.model_dump(mode="json")
        return {"status": "in_force", **named, "code": None, "reason": None, "hint": None, "constitution": document}

    async def versions(self, who: Principal) -> list[dict[str, Any]]:
        """Return every document that was proposed, oldest first, with who did what about it."""
        rows = await self.store.versions(who.tenant_id)
        last = max((r["activated_at"] for r in rows if r["activated_at"]), default=None)
        return [_shown(row, in_force=row["activated_at"] is not None and row["activated_at"] == last) for row in rows]

    async def propose(self, who: Principal, wanted: ConstitutionProposal) -> dict[str, Any]:
        """Store a document for people to agree to; whoever proposes it has.

        Raises:
            Conflict: its signature does not hold here, or it does not follow the one in force.
        """
        document = self._trusted(wanted)
        became = await self.store.propose(who.tenant_id, who.actor_id, wanted, wanted.reason)
        if became != "proposed":
            raise _refused(became)
        return await self._one(who, document.sha256())

    async def answer(self, who: Principal, sha256: str, *, approves: bool, reason: str | None) -> dict[str, Any]:
        """Take one person's answer; it is bound to the document's hash, and enough of them activate it.

        Raises:
            NotFound: nobody proposed it.
            Conflict: it was decided already, another one is in force by now, or its signature does not hold any more.
        """
        people = await self._people(sha256) if approves else 0
        became = await self.store.answer(
            who.tenant_id, who.actor_id, sha256, approves=approves, people=people, reason=reason or ""
        )
        if became not in {"agreed", "activated", "rejected"}:
            raise _refused(became)
        return await self._one(who, sha256)

    async def _people(self, sha256: str) -> int:
        """Return how many must agree: as many as the document asks for, and as many as the one before it did."""
        rows = await self.store.versions("", [sha256])
        if not rows:
            raise _refused("unknown")
        row = rows[0]
        document = document_of(row)
        if document is None or not self.guard.holds(bytes(row["content"]), bytes(row["signature"]), row["key_id"]):
            raise _unsigned(ConstitutionUnverified("its signature does not hold here"))
        people = document.people
        try:
            return max(people, (await self.verified()).constitution.people)
        except ConstitutionUnverified:
            # What is in force is broken, and this is how it is mended.
            return people

    def _trusted(self, wanted: SignedConstitution) -> Constitution:
        try:
            return self.guard.proposed(wanted)
        except ConstitutionUnverified as exc:
            raise _unsigned(exc) from exc

    async def _one(self, who: Principal, sha256: str) -> dict[str, Any]:
        found = next((one for one in await self.versions(who) if one["sha256"] == sha256), None)
        if found is None:
            raise _refused("unknown")
        return found


def _unsigned(why: ConstitutionUnverified) -> Conflict:
    return Conflict(why.message, code=why.code, hint=why.hint)


def _refused(became: Became) -> Conflict | NotFound:
    if became in _REFUSED:
        code, said, hint = _REFUSED[became]
        return Conflict(said, code=code, hint=hint)
    return NotFound("there is no such constitution", code="constitution_not_found")


def document_of(row: Mapping[str, Any]) -> Constitution | None:
    """Return a document as it was stored; None: somebody has changed it since."""
    content = bytes(row["content"])
    if sha256_hex(content) != row["sha256"]:
        return None
    try:
        return Constitution.model_validate_json(content)
    except ValueError:
        return None


def _shown(row: Mapping[str, Any], *, in_force: bool) -> dict[str, Any]:
    document = document_of(row)
    events = {entry["event"] for entry in row["log"]}
    status = "rejected" if "rejected" in events else "proposed"
    if row["activated_at"] is not None:
        status = "in_force" if in_force else "superseded"
    return {
        **{name: row[name] for name in ("sha256", "version", "previous_sha256", "key_id", "agreed")},
        "status": status,
        "people": document.people if document else None,
        "proposed_at": rfc3339(row["created_at"]),
        "activated_at": rfc3339(row["activated_at"]) if row["activated_at"] else None,
        "log": [{**entry, "at": rfc3339(datetime.fromisoformat(entry["at"]))} for entry in row["log"]],
        "constitution": document.model_dump(mode="json") if document else None,
    }
