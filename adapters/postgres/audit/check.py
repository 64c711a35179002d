"""Check a whole database against itself, against the roots in it, and against those that are kept apart from it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.audit.files import RootFiles
from adapters.audit.keys import signed
from adapters.audit.roots import FORMAT, Leaf, Root
from adapters.audit.tree import tree
from adapters.postgres.audit.examine import MISSIONS, Finding, Held, Sealed, examine
from adapters.postgres.audit.ledgers import ENTRIES, NAMED, examined, ledgers
from adapters.postgres.audit.rows import EVENTS
from adapters.postgres.audit.store import Connection, moment, of_one_moment, paged, roots, rows, sealed
from contracts.canonical import ZERO_HASH

ROOTS = "colony_audit_roots"


@dataclass
class Checked:
    """What a check looked at and found.

    Attributes:
        roots: roots looked at, in the database and in the files.
        missions: missions looked at; ``rows`` and ``events`` of those whose every row was.
        unsealed: missions whose chain has grown since the last root.
        last: the last root's number, moment and hash.
        findings: what does not hold, in the order it was found.
        notes: what is no finding, and should be known.
    """

    roots: int = 0
    missions: int = 0
    rows: int = 0
    unsealed: int = 0
    last: dict[str, Any] | None = None
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class _Row:
    """The roots of one place: each one's hash by its number, and the last leaf of each mission."""

    hashes: dict[int, str] = field(default_factory=dict)
    leaves: dict[str, tuple[int, Leaf]] = field(default_factory=dict)
    last: Root | None = None


def check(
    conn: Connection,
    files: RootFiles | None,
    keys: Collection[str],
    *,
    quick: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Checked:
    """Check everything that is stored of every mission, and every tenant's ledger.

    Args:
        conn: a connection of ``colony_audit``.
        files: the roots that are kept apart; None: there are none.
        keys: public keys, one of which each root must be signed with; none: no signature is asked for.
        quick: look at each mission's head only, but for those whose chain has grown since the last root.
        progress: told how many missions were looked at.

    Raises:
        IntegrityBroken: the files can't be read.
        StoreUnavailable: Postgres does not answer.
    """
    done = Checked()
    kept = _follow("database", roots(conn), keys, done, gaps=True)
    apart = _follow("files", files.read(), keys, done) if files else _Row()
    _compare(conn, kept, apart, done, has_files=files is not None)
    newest = _newest(kept, apart)
    found = _ledgers(conn, newest, done)
    for page in paged(conn, "missions"):
        found |= {held.mission_id for held in page}
        _page(conn, page, newest, done, quick=quick)
        if progress is not None:
            progress(done.missions)
    for name, (number, leaf) in sorted(newest.items()):
        if name not in found:
            kind, table = ("ledger", ENTRIES) if name.startswith(NAMED) else ("mission", MISSIONS)
            what = f"the {kind} is gone, of which root {number} sealed {leaf.seq} events"
            done.findings.append(Finding(leaf.tenant_id, name if table == MISSIONS else "", table, "", what))
    last = apart.last or kept.last
    done.last = {**last.said, "sha256": last.sha256, "public_key": last.public_key} if last else None
    return done


def _follow(where: str, given: Iterable[Root], keys: Collection[str], done: Checked, *, gaps: bool = False) -> _Row:
    """Follow the roots of one place; ``gaps``: those that a restore took away are not there."""
    found = _Row()
    unsigned = 0
    for root in given:
        done.roots += 1
        unsigned += root.signature is None
        for what in _broken(found, root, keys, gaps=gaps):
            done.findings.append(Finding("", "", ROOTS, str(root.number), f"in the {where}: {what}"))
        restored = root.said.get("restored")
        if restored is not None:
            found.leaves = {name: one for name, one in found.leaves.items() if one[0] <= restored}
        for content in root.leaves:
            leaf = Leaf.read(content)
            found.leaves[leaf.mission_id] = (root.number, leaf)
        found.hashes[root.number] = root.sha256
        found.last = root
    if unsigned and not keys:
        done.notes.append(f"{unsigned} roots in the {where} are not signed: set COLONY_AUDIT_KEY_FILE")
    return found


def _broken(before: _Row, root: Root, keys: Collection[str], *, gaps: bool) -> Iterable[str]:
    said, last = root.said, before.last
    if said.get("format") != FORMAT:
        yield "it is of a form that is not known here"
        return
    restored = said.get("restored")
    if gaps and restored is not None:
        if (last.number if last else 0) != restored:
            yield f"it goes on from root {restored}, which is not the one before it"
    elif root.number != (last.number + 1 if last else 1) or said["previous"] != (last.sha256 if last else ZERO_HASH):
        yield "it does not follow on the root before it"
    if len(root.leaves) != said["leaves"] or (tree(root.leaves)[0] if root.leaves else "") != said["tree"]:
        yield "its leaves are not those that it signed"
    if keys and (root.signature is None or root.public_key not in keys):
        yield "it is not signed with the key that it should be"
    elif root.signature is not None and not signed(root.public_key or "", root.content, root.signature):
        yield "its signature does not hold"


def _compare(conn: Connection, kept: _Row, apart: _Row, done: Checked, *, has_files: bool) -> None:
    if not has_files:
        done.notes.append("no roots are kept apart from the database: set COLONY_AUDIT_DIR")
        return
    behind = (kept.last.number if kept.last else 0), (apart.last.number if apart.last else 0)
    for number in sorted(kept.hashes.keys() & apart.hashes.keys()):
        if kept.hashes[number] != apart.hashes[number]:
            done.findings.append(Finding("", "", ROOTS, str(number), "the database has another than the files"))
    if behind[0] < behind[1]:
        restore = rows(conn, "restores")
        why = (
            f"it was restored on {restore[0]['restored_at']:%Y-%m-%d %H:%M:%S %Z} from the backup "
            f"{restore[0]['backup_sha256'][:16]}…; if on purpose, `colony audit seal --restored` says so for good"
            if restore
            else "and no restore is on record"
        )
        what = f"the database ends at root {behind[0]}, the files at root {behind[1]}: {why}"
        done.findings.append(Finding("", "", ROOTS, str(behind[0] + 1), what))
    elif behind[0] > behind[1]:
        done.notes.append(f"{behind[0] - behind[1]} roots of the database are not in the files yet")


def _newest(kept: _Row, apart: _Row) -> dict[str, tuple[int, Leaf]]:
    """Return each mission's last leaf, wherever it is: the files go before the database."""
    return {**kept.leaves, **{n: one for n, one in apart.leaves.items() if one[0] >= kept.leaves.get(n, (0,))[0]}}


def _page(
    conn: Connection, page: Sequence[Held], newest: dict[str, tuple[int, Leaf]], done: Checked, *, quick: bool
) -> None:
    done.missions += len(page)
    grown = {h.mission_id for h in page if h.mission_id not in newest or newest[h.mission_id][1].seq != h.seq}
    done.unsealed += sum(h.mission_id not in newest or newest[h.mission_id][1].seq < h.seq for h in page)
    if quick:
        for held in page:
            if held.mission_id not in grown and newest[held.mission_id][1].head != held.head:
                what = f"the chain is not the one that root {newest[held.mission_id][0]} sealed"
                done.findings.append(Finding(held.tenant_id, held.mission_id, EVENTS, str(held.seq), what))
        page = [held for held in page if held.mission_id in grown]
    if not page:
        return
    known = _sealed(conn, [held.mission_id for held in page], newest)
    for one in of_one_moment(conn, page):
        done.rows += len(one.rows)
        done.findings += examine(one, known[one.held.mission_id])


def _ledgers(conn: Connection, newest: dict[str, tuple[int, Leaf]], done: Checked) -> set[str]:
    """Check the ledgers and return what leaves name them by."""
    with moment(conn):
        found = ledgers(conn)
    known = _sealed(conn, [ledger.name for ledger in found], newest)
    for ledger in found:
        done.findings += examined(ledger, known[ledger.name])
    return {ledger.name for ledger in found}


def _sealed(conn: Connection, names: Sequence[str], newest: dict[str, tuple[int, Leaf]]) -> dict[str, list[Sealed]]:
    """Return what was sealed of missions or ledgers, with the files' last leaf where the database lacks it."""
    known = sealed(conn, names)
    for name in names:
        leaves = known.setdefault(name, [])
        if name in newest and newest[name] != ((leaves[-1].number, leaves[-1].leaf) if leaves else None):
            known[name] = [*leaves, Sealed(*newest[name], rows=())]
    return known
