"""What somebody with a bundle in their hands can do to it."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable
from typing import Any

from contracts.canonical import ZERO_HASH, canonical_bytes, digest, sha256_hex
from contracts.events import chain_hash
from server.bundle import archived
from server.verify import render, verify_bytes

Files = dict[str, bytes]


def chances(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311


def files_of(data: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def lines(files: Files, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in files[name].splitlines()]


def put_lines(files: Files, name: str, rows: list[dict[str, Any]]) -> None:
    files[name] = b"".join(canonical_bytes(row) + b"\n" for row in rows)


def named(files: Files, start: str) -> str:
    """Return the first file whose name begins so."""
    return next(name for name in sorted(files) if name.startswith(start))


def replaced(files: Files, start: str, was: str, now: str) -> None:
    """Replace a text in the first file that begins so and has it."""
    name = next(n for n in sorted(files) if n.startswith(start) and was.encode() in files[n])
    files[name] = files[name].replace(was.encode(), now.encode(), 1)


def changed(files: Files, name: str, change: Callable[[Any], None], at: int | None = None) -> None:
    """Change a JSON file, or one line of it, and write it back in the canonical form."""
    if at is None:
        value = json.loads(files[name])
        change(value)
        files[name] = canonical_bytes(value)
        return
    rows = lines(files, name)
    change(rows[at])
    put_lines(files, name, rows)


def sealed(files: Files) -> bytes:
    """Make the manifest's list fit the files again, and pack them."""

    def relist(manifest: dict[str, Any]) -> None:
        others = sorted(files.keys() - {"manifest.json"})
        manifest["files"] = [{"file": n, "sha256": sha256_hex(files[n]), "size": len(files[n])} for n in others]

    changed(files, "manifest.json", relist)
    return archived(files)


def rechained(files: Files, bodies: list[dict[str, Any]]) -> None:
    """Write the events anew, with ids, hashes and the manifest's head that fit."""
    head, rows = ZERO_HASH, []
    for seq, body in enumerate(bodies, start=1):
        text = canonical_bytes(body | {"event_id": "ev_" + digest([body["mission_id"], seq])[:24]})
        made = chain_hash(head, seq, text)
        rows.append({"seq": seq, "prev_hash": head, "hash": made, "body": text.decode()})
        head = made
    put_lines(files, "events.jsonl", rows)
    changed(files, "manifest.json", lambda m: m.update(events={"seq": len(rows), "head": head}))


def bodies(files: Files) -> list[dict[str, Any]]:
    return [json.loads(row["body"]) for row in lines(files, "events.jsonl")]


def renamed(files: Files, *untouched: str) -> None:
    """Give every artifact the name of its content again, and use the new names everywhere but in some files."""
    while stale := [n for n in files if n.startswith("artifacts/") and sha256_hex(files[n])[:32] not in n]:
        was = next(row["sha256"] for row in lines(files, "artifacts.jsonl") if row["file"] == stale[0])
        now = sha256_hex(files[stale[0]])
        for name in [n for n in files if n not in untouched]:
            content = files.pop(name).replace(was.encode(), now.encode()).replace(was[:32].encode(), now[:32].encode())
            files[name.replace(was[:32], now[:32])] = content


def found(data: bytes, check: str, sentence: str) -> None:
    """Expect this check to be the first that fails, and to say this."""
    report = verify_bytes(data)
    assert not report.ok
    assert report.first_failure.name == check, render(report)
    assert sentence in report.first_failure.detail, report.first_failure.detail
