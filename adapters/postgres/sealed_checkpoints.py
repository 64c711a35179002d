"""How a thread's checkpoints are sealed: every channel's value, what is noted beside them, and what belongs together.

A checkpoint's own row keeps its id, its time and the versions of its channels readable, since the saver's SQL joins by
them; they are bound to what is sealed, and so is the list of the channels that are stored in rows of their own. Nothing
can be taken out, put in or exchanged without the checkpoint failing to open.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from langgraph.checkpoint.base import Checkpoint, CheckpointMetadata
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg.rows import DictRow

from adapters.postgres.vault import SEALED, Place, Vault
from contracts.canonical import digest
from contracts.errors import IntegrityBroken

_VALUES = "channel_values"
_SHOWN = ("source", "step")
Blob = tuple[str, str, str, str, str, bytes | None]
Write = tuple[str, str, str, str, str, int, str, str, bytes]


class TenantSerializer(JsonPlusSerializer):
    """Data only, never code; it carries with it how what it gives is sealed, and for which tenant."""

    def __init__(self, vault: Vault, tenant_id: str) -> None:
        super().__init__(pickle_fallback=False)
        self.vault = vault
        self.tenant_id = tenant_id


class CheckpointSealer:
    """Seals and opens the rows of one tenant's threads."""

    def __init__(self, serializer: TenantSerializer) -> None:
        self._vault = serializer.vault
        self._tenant_id = serializer.tenant_id
        self.active = self._vault.active

    def checkpoint(self, names: Mapping[str, Any], checkpoint: Checkpoint) -> Checkpoint:
        """Return a checkpoint whose scalar values are sealed as one; the others go to rows of their own."""
        values = checkpoint["channel_values"]
        inline = {k: v for k, v in values.items() if v is None or isinstance(v, str | int | float | bool)}
        stored = {k: v for k, v in values.items() if k not in inline}
        place = _place(names, checkpoint["id"], names.get("checkpoint_id"), checkpoint)
        sealed = self._vault.seal_value(self._tenant_id, place, {"inline": inline, "stored": sorted(stored)})
        return cast("Checkpoint", {**checkpoint, _VALUES: {**stored, SEALED: sealed}})

    def metadata(self, names: Mapping[str, Any], checkpoint_id: str, metadata: Mapping[str, Any]) -> CheckpointMetadata:
        """Return metadata of which only the step's number and source can be read."""
        place = ("checkpoints", "metadata", names["thread_id"], names["checkpoint_ns"], checkpoint_id)
        sealed = self._vault.seal_value(self._tenant_id, place, dict(metadata))
        return cast("CheckpointMetadata", {**{k: metadata[k] for k in _SHOWN if k in metadata}, SEALED: sealed})

    def blobs(self, rows: Sequence[Blob]) -> list[Blob]:
        """Return channels' rows with their values sealed."""
        return [(*row[:-1], self._seal(("checkpoint_blobs", "blob", *row[:-1]), row[-1])) for row in rows]

    def writes(self, rows: Sequence[Write]) -> list[Write]:
        """Return pending writes' rows with their values sealed."""
        return [(*row[:-1], self._vault.seal(self._tenant_id, _write(row[:-1]), row[-1])) for row in rows]

    def _seal(self, place: Place, blob: bytes | None) -> bytes | None:
        return None if blob is None else self._vault.seal(self._tenant_id, place, blob)

    def opened(self, row: DictRow) -> DictRow:
        """Return a checkpoint's row, joined with its channels' and its writes', as it was given.

        Raises:
            IntegrityBroken: something of it was changed, is missing, or is in plaintext though it may not be.
            KeyMissing: it is sealed under a key that this process does not have.
        """
        thread = (row["thread_id"], row["checkpoint_ns"])
        checkpoint, inline, stored = self._inline(row)
        versions, tenant = checkpoint["channel_versions"], self._tenant_id
        channels = []
        for name, kind, blob in row[_VALUES] or ():
            channel = name.decode()
            place: Place = ("checkpoint_blobs", "blob", *thread, channel, versions[channel], kind.decode())
            channels.append((name, kind, blob and self._vault.open(tenant, place, bytes(blob))))
        if stored is not None and not set(stored) <= {name.decode() for name, kind, _ in channels if kind != b"empty"}:
            raise IntegrityBroken("a channel of a stored checkpoint is missing", code="payload_tampered")
        writes = []
        for task_id, channel, kind, blob, path, nth in row["pending_writes"] or ():
            decoded = (task_id.decode(), path.decode(), int(nth), channel.decode(), kind.decode())
            value = self._vault.open(tenant, _write((*thread, row["checkpoint_id"], *decoded)), bytes(blob))
            writes.append((task_id, channel, kind, value, path, nth))
        return {
            **row,
            "checkpoint": {**checkpoint, _VALUES: inline},
            _VALUES: channels,
            "pending_writes": writes,
            "metadata": self._metadata(row),
        }

    def resealed(self, row: DictRow) -> dict[str, Any]:
        """Return a checkpoint's own columns anew, under the present key; its channels are not opened."""
        checkpoint, inline, stored = self._inline(row)
        if stored is None:
            stored = sorted(name.decode() for name, kind, _ in row[_VALUES] or () if kind != b"empty")
        place = _place(row, row["checkpoint_id"], row["parent_checkpoint_id"], checkpoint)
        sealed = self._vault.seal_value(self._tenant_id, place, {"inline": inline, "stored": stored})
        metadata = self.metadata(row, row["checkpoint_id"], self._metadata(row))
        return {"checkpoint": {**checkpoint, _VALUES: {SEALED: sealed}}, "metadata": metadata}

    def resealed_blob(self, row: DictRow) -> DictRow:
        """Return a channel's or a pending write's row with its value sealed under the present key."""
        return {**row, "blob": self._seal(_place_of(row), self.opened_blob(row))}

    def opened_blob(self, row: DictRow) -> bytes:
        """Return what a channel's or a pending write's row holds; raises what ``opened`` does.

        Its columns are those that the value is bound to, in that order, and the value is the last.
        """
        return self._vault.open(self._tenant_id, _place_of(row), bytes(row["blob"]))

    def own(self, row: DictRow) -> tuple[dict[str, Any], Any]:
        """Return a checkpoint's scalar values and its metadata; raises what ``opened`` does."""
        return self._inline(row)[1], self._metadata(row)

    def _inline(self, row: DictRow) -> tuple[dict[str, Any], dict[str, Any], list[str] | None]:
        """Return the checkpoint, its scalar values, and which channels have rows of their own, if that is known."""
        checkpoint, values = row["checkpoint"], row["checkpoint"].get(_VALUES) or {}
        place = _place(row, row["checkpoint_id"], row["parent_checkpoint_id"], checkpoint)
        opened = self._vault.open_value(self._tenant_id, place, values.get(SEALED, values))
        if SEALED not in values:
            return checkpoint, values, None
        return checkpoint, opened["inline"], opened["stored"]

    def _metadata(self, row: DictRow) -> Any:
        metadata = row["metadata"]
        place = ("checkpoints", "metadata", row["thread_id"], row["checkpoint_ns"], row["checkpoint_id"])
        return self._vault.open_value(self._tenant_id, place, metadata.get(SEALED, metadata))


def _place(names: Mapping[str, Any], checkpoint_id: str, parent_id: str | None, checkpoint: Mapping[str, Any]) -> Place:
    bare = {name: value for name, value in checkpoint.items() if name != _VALUES}
    # What is read back is JSON, in which every key is a text.
    shape = digest(json.loads(json.dumps(bare)))
    place = (names["thread_id"], names["checkpoint_ns"], checkpoint_id, parent_id or "")
    return ("checkpoints", "checkpoint", *place, shape)


def _place_of(row: DictRow) -> Place:
    *names, _ = row.values()
    return ("checkpoint_writes" if "task_id" in row else "checkpoint_blobs", "blob", *names)


def _write(names: Sequence[Any]) -> Place:
    return ("checkpoint_writes", "blob", *names)
