"""Tools that a model may ask for while it fills a schema: what it is offered, and what comes of a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from contracts.ports.values import EvidenceBlock


@dataclass(frozen=True)
class ToolOffer:
    """A call that a task's pass grants; it is granted with exactly these arguments."""

    tool: str
    description: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class ToolAnswer:
    """What came of a call that a model asked for.

    Attributes:
        evidence: what was read, as data written by others: never instructions.
        note: what is said beside it, in our own words: that it was refused and why, or where it was given before.
        refused: whether the call was not made.
    """

    evidence: Sequence[EvidenceBlock] = ()
    note: str = ""
    refused: bool = False


class Toolbox(Protocol):
    """The tools of one task, through the wrapped port: a model can ask for any call, the pass says which are made."""

    @property
    def rounds(self) -> int:
        """How often a model may ask for tools before it must answer."""
        ...

    def offers(self) -> Sequence[ToolOffer]:
        """Return the calls that a model is told of."""
        ...

    async def use(self, tool: str, arguments: Mapping[str, Any]) -> ToolAnswer:
        """Make a call, if the pass grants it; a refusal is an answer like another, and the task goes on.

        Raises:
            FenceLost: another process has taken the mission over.
            StoreUnavailable: Postgres does not answer.
        """
        ...
