"""The frames of a thread in which nothing has run yet: a mission's, or a developer's graph's."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.errors import NotFound, StoreUnavailable
from server.principal import Principal
from server.sdk.extra import ExtraGraphs, GraphFrames
from server.sdk.frames import Frame, Source
from server.sdk.threads import Threads

_BLANK_S = 2.0


@dataclass
class EitherFrames:
    """Satisfies ``Source`` for a thread of which is not known yet what it will be."""

    threads: Threads
    extra: ExtraGraphs
    who: Principal
    thread_id: str
    source: Source
    known: bool = False
    gone: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing more can come."""
        return self.gone or self.source.over

    @property
    def patience_s(self) -> float:
        """How long to wait at most."""
        return self.source.patience_s if self.known else _BLANK_S

    async def more(self) -> list[Frame]:
        """Return the frames that came since the last call."""
        if not self.known:
            try:
                row = await self.threads.row(self.who, self.thread_id)
            except StoreUnavailable:
                return []
            except NotFound:  # it was forgotten meanwhile
                self.gone = True
                return []
            self.known = row["mission_id"] is not None or row["graph_id"] is not None
            if row["mission_id"] is None and row["graph_id"] is not None:
                self.source = GraphFrames(self.extra.store, self.who.tenant_id, self.thread_id)
        return await self.source.more() if self.known else []
