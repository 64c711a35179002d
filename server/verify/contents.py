"""The files of a bundle as plain records: everything is read once, and everything has the type it should have."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from server.verify.form import closed, known, ordered
from server.verify.plain import Broken, Record, parse, sha256_hex

FORMAT, BEFORE = "colony-bundle/2", "colony-bundle/1"
"""The form of a bundle, and the one before it: without rows, roots and rules."""
_LISTS = ("events", "artifacts", "approvals", "grants", "writebacks", "model_calls", "tool_calls")
_SINCE = ("rows", "roots", "rules")


@dataclass(frozen=True)
class Event:
    """One event: ``body`` are the bytes that were hashed, ``fields`` and ``payload`` what they say."""

    seq: int
    prev_hash: str
    hash: str
    body: bytes
    type: str
    fields: Record
    payload: Record


@dataclass(frozen=True)
class Contents:
    """Everything a bundle holds.

    Attributes:
        artifacts: the contents of the artifacts by id; ``hashes`` the SHA-256 of each one's bytes.
        packet: what was released, if anything was.
        constitutions: what the decisions were made under; empty in bundles from before there was one.
        keys: public keys, 64 hex digits each; a root signed by one must have sealed the mission, if any is named.
        trusted: the public keys that constitutions must be signed by; any, if none is named.
    """

    manifest: Record
    mission: Record
    events: list[Event]
    index: list[Record]
    artifacts: dict[str, Record]
    hashes: dict[str, str]
    approvals: list[Record]
    grants: list[Record]
    writebacks: list[Record]
    model_calls: list[Record]
    tool_calls: list[Record]
    packet: Record | None
    rows: list[Record] = field(default_factory=list)
    roots: list[Record] = field(default_factory=list)
    rules: list[Record] = field(default_factory=list)
    constitutions: list[Record] = field(default_factory=list)
    keys: frozenset[str] = frozenset()
    trusted: tuple[bytes, ...] = ()

    def artifact(self, artifact_id: str, prefix: str) -> Record:
        """Return one artifact of the kind that the prefix stands for.

        Raises:
            Broken: the bundle does not hold it.
        """
        found = self.artifacts.get(artifact_id) if artifact_id.startswith(prefix) else None
        if found is None:
            raise Broken(f"the mission refers to {artifact_id[:60]}, which the bundle does not hold")
        return found

    def of(self, kind: str) -> list[Record]:
        """Return the artifacts of a kind, each once."""
        ids = dict.fromkeys(row.text("artifact_id") for row in self.index if row.text("kind") == kind)
        return [self.artifacts[i] for i in ids if i in self.artifacts]

    def events_of(self, *types: str) -> list[Event]:
        """Return the events of the types, in order."""
        return sorted((e for kind in types for e in self._by_type.get(kind, ())), key=lambda event: event.seq)

    def events_about(self, name: str, *types: str) -> dict[str, list[Event]]:
        """Return the events of the types by what their payload's field of that name says."""
        grouped: dict[str, list[Event]] = {}
        for event in self.events_of(*types):
            grouped.setdefault(event.payload.text(name), []).append(event)
        return grouped

    @cached_property
    def _by_type(self) -> dict[str, list[Event]]:
        grouped: dict[str, list[Event]] = {}
        for event in self.events:
            grouped.setdefault(event.type, []).append(event)
        return grouped

    @property
    def rehearsed(self) -> bool:
        """Whether the mission replays another: what people decided is played back, and writes are simulated."""
        return self.lineage.get("kind") == "replay"

    @property
    def lineage(self) -> dict[str, Any]:
        """What the mission's first event, which the chain covers, says that it comes of; nothing of a submission."""
        told = self.events[0].payload.fields.get("lineage") if self.events else None
        return told if isinstance(told, dict) else {}

    @property
    def mission_id(self) -> str:
        """The mission that the bundle says it is of."""
        return self.mission.text("mission_id")


def _lists(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the lists that a bundle of this form has.

    Raises:
        Broken: one of its files is missing, or there is one of no bundle.
    """
    if "manifest.json" not in files:
        raise Broken("the bundle has no manifest.json")
    known(files)
    lists = (*_LISTS, *_SINCE) if _manifest(files).text("format") == FORMAT else _LISTS
    for name in ("mission.json", *(f"{name}.jsonl" for name in lists)):
        if name not in files:
            raise Broken(f"the bundle has no {name}")
    return lists


def inventory(files: Mapping[str, bytes]) -> str:
    """Hold the files against the manifest's list.

    Raises:
        Broken: a file is missing, is not listed, or is not the one that is listed.
    """
    _lists(files)
    listed = _manifest(files).records("files")
    names = [row.text("file") for row in listed]
    present = sorted(set(files) - {"manifest.json"})
    if names != present:
        odd = sorted(set(names) ^ set(present))
        raise Broken(f"the manifest's list and the files differ: {odd[0][:120] if odd else 'the order'}")
    for row in listed:
        content = files[row.text("file")]
        if row.whole("size") != len(content) or row.text("sha256") != sha256_hex(content):
            raise Broken(f"{row.text('file')} is not the file that the manifest lists: it was changed")
    return f"{len(files)} files, each as the manifest lists it"


def _manifest(files: Mapping[str, bytes]) -> Record:
    return Record.of(parse(files["manifest.json"], "manifest.json"), "manifest.json")


def read(files: Mapping[str, bytes], trusted: tuple[bytes, ...] = (), keys: Collection[str] = ()) -> Contents:
    """Read every file.

    Args:
        files: the bundle's.
        trusted: the public keys that constitutions must be signed by; any, if none is named.
        keys: those that a root must be signed by; any, if none is named.

    Raises:
        Broken: one is missing, can't be read, or is not in the canonical form.
    """
    lists = {name: _lines(files, name) for name in _lists(files)}
    stored = {n.removesuffix(".json").rpartition("/")[2]: n for n in files if n.startswith("artifacts/")}
    packet = files.get("packet.json")
    return Contents(
        manifest=_manifest(files),
        mission=closed(Record.of(parse(files["mission.json"], "mission.json"), "mission.json")),
        events=[_event(line) for line in lists["events"]],
        index=lists["artifacts"],
        artifacts={i: Record.of(parse(files[name], name), name) for i, name in stored.items()},
        hashes={i: sha256_hex(files[name]) for i, name in stored.items()},
        approvals=lists["approvals"],
        grants=lists["grants"],
        writebacks=lists["writebacks"],
        model_calls=lists["model_calls"],
        tool_calls=lists["tool_calls"],
        packet=None if packet is None else Record.of(parse(packet, "packet.json"), "packet.json"),
        constitutions=_lines(files, "constitutions") if "constitutions.jsonl" in files else [],
        trusted=trusted,
        **{name: lists.get(name, []) for name in _SINCE},
        keys=frozenset(keys),
    )


def _lines(files: Mapping[str, bytes], name: str) -> list[Record]:
    content = files[f"{name}.jsonl"]
    if content and not content.endswith(b"\n"):
        raise Broken(f"{name}.jsonl is cut off")
    lines = content.split(b"\n")[:-1]
    places = [f"{name}.jsonl, line {n}" for n in range(1, len(lines) + 1)]
    return ordered(name, [Record.of(parse(line, place), place) for line, place in zip(lines, places, strict=True)])


def _event(line: Record) -> Event:
    body = line.text("body").encode("utf-8")
    fields = Record.of(parse(body, f"{line.where}, body"), f"the event of {line.where}")
    return Event(
        seq=line.whole("seq"),
        prev_hash=line.text("prev_hash"),
        hash=line.text("hash"),
        body=body,
        type=fields.text("event_type"),
        fields=fields,
        payload=fields.record("payload"),
    )
