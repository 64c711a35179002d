"""The system's clock, behind the port that everything asks."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """The present moment in UTC."""

    def now(self) -> datetime:
        """Return the present moment."""
        return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """Return a moment as RFC 3339 UTC with microseconds and a ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
