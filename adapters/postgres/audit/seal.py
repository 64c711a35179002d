"""Seal what is new under a signed root, in the database and apart from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from adapters.audit.files import RootFiles
from adapters.audit.keys import AuditKey, signed
from adapters.audit.roots import Leaf, Root, made
from adapters.audit.tree import tree
from adapters.postgres.audit.examine import Finding, Held, examine, news
from adapters.postgres.audit.ledgers import NAMED, NO_ROWS, examined, ledgers
from adapters.postgres.audit.store import (
    QUERIES,
    Connection,
    connected,
    moment,
    of_one_moment,
    paged,
    root_of,
    roots,
    rows,
    sealed,
)
from adapters.postgres.vault import Vault
from contracts.canonical import ZERO_HASH, canonical_bytes, sha256_hex
from contracts.errors import IntegrityBroken
from contracts.ports import Clock


@dataclass
class Sealing:
    """What a sealing did; ``leaves`` counts missions, ``findings`` are of what does not hold, and was left unsealed."""

    roots: list[Root] = field(default_factory=list)
    leaves: int = 0
    findings: list[Finding] = field(default_factory=list)
    busy: bool = False


@dataclass(frozen=True)
class _Entry:
    leaf: Leaf
    rows: bytes


class Sealer:
    """Seals one database's missions. Of several processes one does it at a time, the others copy its roots."""

    def __init__(
        self, dsn: str, files: RootFiles, key: AuditKey | None, clock: Clock, *, vault: Vault | None = None
    ) -> None:
        self._dsn = dsn
        self._vault = vault
        self._files = files
        self._key = key
        self._clock = clock

    def seal(self, *, since: datetime | None = None, quiet_ms: int = 0, restored: bool = False) -> Sealing:
        """Seal every mission and every tenant's ledger whose chain has grown since it was sealed; nothing new, no root.

        Args:
            since: only missions that were written after it.
            quiet_ms: leave out missions that were written within so many milliseconds.
            restored: the database was restored from a backup on purpose; roots that it no longer has are void.

        Raises:
            IntegrityBroken: the database's roots are not those of the files.
            StoreUnavailable: Postgres does not answer.
            SettingInvalid: the files can't be written.
        """
        done = Sealing()
        with connected(self._dsn, self._vault) as conn, self._files.turn():
            self._copy(conn, restored=restored)
            if not rows(conn, "turn")[0]["mine"]:
                done.busy = True
                return done
            waiting = _ledgers(conn, done)
            for page in paged(conn, "unsealed", since=since, quiet_ms=quiet_ms):
                if entries := [*waiting, *_page(conn, page, done)]:
                    self._put(conn, entries, done, restored=restored)
                    waiting, restored = [], False
            if waiting or restored:
                self._put(conn, waiting, done, restored=restored)
        return done

    def _put(self, conn: Connection, entries: Sequence[_Entry], done: Sealing, *, restored: bool) -> None:
        contents = [entry.leaf.content for entry in entries]
        top, proofs = tree(contents) if contents else ("", [])
        with conn.transaction():
            found = rows(conn, "last")
            last = root_of(found[0]) if found else None
            before = self._files.last() if restored else last
            number, previous = (before.number, before.sha256) if before else (0, None)
            gone = (last.number if last else 0) if restored else None
            root = made(number + 1, previous, self._clock.now(), top, contents, key=self._key, restored=gone)
            columns: dict[str, object] = {"content": root.content, "sha256": root.sha256, "number": root.number}
            columns |= {"signature": root.signature, "public_key": root.public_key}
            conn.execute(QUERIES["root"].encode(), columns)
            with conn.cursor() as cursor:
                cursor.executemany(
                    QUERIES["leaf"].encode(),
                    [
                        {
                            **{name: getattr(entry.leaf, name) for name in ("mission_id", "tenant_id", "seq", "head")},
                            "number": root.number,
                            "place": place,
                            "rows": entry.rows,
                            "content": entry.leaf.content,
                            "proof": proof,
                        }
                        for place, (entry, proof) in enumerate(zip(entries, proofs, strict=True))
                    ],
                )
        self._files.append([root])
        done.roots.append(root)
        done.leaves += sum(not entry.leaf.mission_id.startswith(NAMED) for entry in entries)

    def _copy(self, conn: Connection, *, restored: bool) -> None:
        """Bring the files up to the database: roots that another process made, or that a crash kept from them."""
        last = self._files.last()
        if last is not None:
            there = next(roots(conn, last.number - 1, 1), None)
            if restored and there is None:
                return
            if there is None or there.content != last.content:
                raise IntegrityBroken(
                    f"the database does not have root {last.number}, which the files end with",
                    code="audit_roots_differ",
                    hint="After a restore on purpose: `colony audit seal --restored`. Otherwise: `colony audit check`.",
                )
        previous = last
        for root in roots(conn, last.number if last else 0):
            self._follows(previous, root)
            self._files.append([root])
            previous = root

    def _follows(self, previous: Root | None, root: Root) -> None:
        linked = root.said["previous"] == (previous.sha256 if previous else ZERO_HASH)
        ours = self._key is not None and root.public_key == self._key.public
        if not linked or (ours and not signed(str(root.public_key), root.content, root.signature or "")):
            raise IntegrityBroken(
                f"root {root.number} of the database is not one that was made",
                code="audit_roots_differ",
                hint="`colony audit check` says more.",
            )


def _page(conn: Connection, page: Sequence[Held], done: Sealing) -> list[_Entry]:
    """Return the leaves of those missions that hold."""
    entries: list[_Entry] = []
    known = sealed(conn, [held.mission_id for held in page])
    for one in of_one_moment(conn, page):
        before = known.get(one.held.mission_id, [])
        if broken := list(examine(one, before)):
            done.findings += broken
            continue
        new = news(one, before)
        listing, held = canonical_bytes(new), one.held
        leaf = Leaf(held.tenant_id, held.mission_id, held.seq, held.head, len(new), sha256_hex(listing))
        entries.append(_Entry(leaf, listing))
    return entries


def _ledgers(conn: Connection, done: Sealing) -> list[_Entry]:
    """Return the leaves of those ledgers that have grown, and hold."""
    entries: list[_Entry] = []
    with moment(conn):
        found = ledgers(conn)
    known = sealed(conn, [ledger.name for ledger in found])
    for ledger in found:
        before = known.get(ledger.name, [])
        if before and before[-1].leaf.seq == len(ledger.entries):
            continue
        if broken := list(examined(ledger, before)):
            done.findings += broken
        else:
            entries.append(_Entry(ledger.leaf, NO_ROWS))
    return entries
