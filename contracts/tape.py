"""What a mission asked of the outside and what it was answered, in bytes: the tape that it can be run again from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from contracts.canonical import canonical_bytes, sha256_hex
from contracts.stateflow import Stage


class Channel(StrEnum):
    """What was asked.

    ``model``, ``tool``, ``signals``, ``clock``, ``root`` (whether it would take a write) are answered by the outside;
    ``person`` is a person's decision, ``write`` an effect's outcome; ``artifact`` notes the hash of what was made.
    ``counted`` is what the guard of the tools knew by then of the calls made, in other runs and by other tasks.
    """

    MODEL = "model"
    TOOL = "tool"
    SIGNALS = "signals"
    CLOCK = "clock"
    ROOT = "root"
    PERSON = "person"
    WRITE = "write"
    ARTIFACT = "artifact"
    COUNTED = "counted"


PUT_ASIDE = "put aside"
"""With these words a task is cancelled because another one failed: its own time was not up."""


@dataclass(frozen=True)
class Taped:
    """One exchange.

    Attributes:
        task_key: the task it was for; empty for what is the whole stage's.
        answer: None where none was had, and of an artifact, whose bytes are kept with it.
        answer_sha256: the answer's hash.
        epoch: the run that made it; 0 while it is being recorded.
    """

    channel: Channel
    stage: Stage
    revision: int
    task_key: str
    request: bytes
    answer: bytes | None
    answer_sha256: str | None = None
    epoch: int = 0

    @property
    def request_sha256(self) -> str:
        """The request's hash, which an answer is found again by."""
        return sha256_hex(self.request)


@dataclass(frozen=True)
class Said:
    """An answer, and whether it was given now or is one that was recorded."""

    content: bytes
    recorded: bool = False


def request_of(*parts: Any) -> bytes:
    """Return the bytes of a request that is made of plain JSON values."""
    return canonical_bytes(list(parts))
