"""The tools of one task: what its pass grants and a model asks for is read through the wrapped port, as evidence."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from contracts.canonical import digest
from contracts.errors import NotFound, PassRefused, RootRefused, RootUnavailable
from contracts.evidence import ResearchArtifact
from contracts.ports import EvidenceBlock, Ports, ToolAnswer, ToolOffer
from contracts.tasks import LibrarianPass
from nodes.researcher import rendered
from nodes.work.windows import Window, windows

_LONGEST_NAME = 64
Labels = MutableMapping[str, Window]


class TaskTools:
    """What one task has read by tools; ``fetched`` are the artifacts, to be stored with the task's result.

    What a model asks for is its own affair and what is granted is the pass's: every call goes through the wrapped port,
    which refuses what is outside the pass and records it. A call made once is answered from what it brought.
    """

    def __init__(self, ports: Ports, one: LibrarianPass | None, known: Sequence[ResearchArtifact]) -> None:
        self._ports = ports
        self._pass = one
        self._known = {a.artifact_id: a for a in known}
        self._answers: dict[str, tuple[ResearchArtifact, ...]] = {}
        self._calls = 0
        self.fetched: dict[str, ResearchArtifact] = {}

    def box(self, task_key: str, labels: Labels) -> TaskToolbox | None:
        """Return the tools for one prompt whose evidence has these labels; None for a task that is granted none."""
        if self._pass is None or not self._pass.grants:
            return None
        return TaskToolbox(self, task_key, labels)

    def offers(self, labels: Labels) -> tuple[ToolOffer, ...]:
        """Return what the pass grants of sources that the prompt has nothing of, or perhaps not all."""
        if self._pass is None:
            return ()
        shown = {window.artifact.need for window in labels.values()}
        about = {card.source: card.description for card in self._ports.catalog.sources()}
        cards = [c for c in self._pass.route_cards if c.source not in shown or self._cut(c.source)]
        return tuple(ToolOffer(c.tool, about.get(c.source, c.source), c.arguments) for c in cards)

    def _cut(self, source: str) -> bool:
        return sum(a.need == source for a in self._known.values()) >= self._ports.limits.documents

    async def read(self, task_key: str, tool: str, arguments: Mapping[str, Any]) -> tuple[ResearchArtifact, ...]:
        """Return what a call brings; the same call is made once.

        Raises:
            PassRefused: the pass does not grant it, or the task's calls are used up.
            NotFound: what was asked for does not exist for this tenant.
            RootUnavailable: the root does not answer.
            RootRefused: the root says no.
        """
        try:
            name = digest([tool, arguments])
        except (ValueError, TypeError, RecursionError):
            name = ""  # no plain JSON: it is refused, like whatever else is not granted
        if name in self._answers:
            return self._answers[name]
        if self._calls >= self._ports.limits.tool_calls:
            raise PassRefused(f"{tool[:_LONGEST_NAME]} was refused: the task has made all its calls")
        self._calls += 1
        answer = await self._ports.tools.call(task_key, tool, arguments)
        found = tuple(rendered(self._need(tool, arguments), answer["items"]))
        self._answers[name] = found
        self.fetched |= {a.artifact_id: a for a in found if a.artifact_id not in self._known}
        return found

    def _need(self, tool: str, arguments: Mapping[str, Any]) -> str:
        cards = self._pass.route_cards if self._pass is not None else ()
        return next((c.source for c in cards if c.tool == tool and c.arguments == dict(arguments)), tool)

    @property
    def ports(self) -> Ports:
        """The ports of the run."""
        return self._ports


class TaskToolbox:
    """Satisfies ``Toolbox`` for one prompt: what a call brings is labelled after the evidence that is there already."""

    def __init__(self, tools: TaskTools, task_key: str, labels: Labels) -> None:
        self._tools = tools
        self._task_key = task_key
        self._labels = labels
        self._room = tools.ports.limits.evidence_chars

    @property
    def rounds(self) -> int:
        """How often a model may ask for tools before it must answer."""
        return self._tools.ports.limits.tool_rounds

    def offers(self) -> Sequence[ToolOffer]:
        """Return the calls that a model is told of."""
        return self._tools.offers(self._labels)

    async def use(self, tool: str, arguments: Mapping[str, Any]) -> ToolAnswer:
        """Make a call, if the pass grants it; a refusal is an answer like another."""
        try:
            found = await self._tools.read(self._task_key, tool, arguments)
        except PassRefused as exc:
            return ToolAnswer(note=exc.message, refused=True)
        except (NotFound, RootUnavailable, RootRefused) as exc:
            return ToolAnswer(note=f"nothing could be read: {exc.code}")
        return self._told(found)

    def _told(self, found: Sequence[ResearchArtifact]) -> ToolAnswer:
        held = {w.artifact.artifact_id: label for label, w in reversed(list(self._labels.items()))}
        given = [held[a.artifact_id] for a in found if a.artifact_id in held]
        blocks, left_out = [], 0
        for artifact in found:
            if artifact.artifact_id not in held:
                more, skipped = self._labelled(artifact)
                blocks += more
                left_out += skipped
        notes = [f"given above as {', '.join(given)}"] if given else []
        notes += [f"{left_out} characters were left out: there is no more room"] if left_out else []
        notes += ["there is nothing there"] if not found else []
        return ToolAnswer(evidence=tuple(blocks), note="; ".join(notes))

    def _labelled(self, artifact: ResearchArtifact) -> tuple[list[EvidenceBlock], int]:
        parts, skipped = windows(artifact, self._room, limit=1) if self._room else ([], len(artifact.text))
        blocks = []
        for part in parts:
            label = f"E{len(self._labels) + 1}"
            self._labels[label] = part
            self._room -= len(part.text)
            blocks.append(part.block(label))
        return blocks, skipped
