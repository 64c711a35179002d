"""Where one client may go: to one origin or to any, over these schemes and ports, to addresses that were judged."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from adapters.outbound.addresses import is_inside, is_open, plain
from contracts.errors import DestinationRefused

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
_PORTS = {"http": 80, "https": 443}


class Target(Protocol):
    """A URL, as httpx and httpx2 have it."""

    @property
    def scheme(self) -> str:
        """Its scheme."""
        ...

    @property
    def host(self) -> str:
        """Its host, without brackets and login."""
        ...

    @property
    def port(self) -> int | None:
        """Its port; None for the scheme's own."""
        ...

    @property
    def userinfo(self) -> bytes:
        """Its login."""
        ...


Origin = tuple[str, str, int]


async def looked_up(host: str, port: int) -> Sequence[str]:
    """Return a host's addresses, as the system finds them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def origin_of(url: Target) -> Origin:
    """Return a URL's scheme, host and port.

    Raises:
        DestinationRefused: it is neither http nor https, or has no host.
    """
    if url.scheme not in _PORTS or not url.host:
        raise DestinationRefused("a call would have gone to what is neither http nor https")
    return url.scheme, url.host.rstrip(".").lower(), url.port or _PORTS[url.scheme]


@dataclass(frozen=True)
class Gate:
    """What a client may reach.

    Attributes:
        origin: the one that an operator has named; without one any host may be called, on the schemes' own ports.
        inside: whether the origin may be on this machine or a private network; never without an origin.
        private: whether it must be, because of what it is told.
        resolve: looks a name up, once a connection; what it gives is judged and called, and can't change between.
    """

    origin: Origin | None = None
    inside: bool = False
    private: bool = False
    resolve: Resolver = field(default=looked_up)

    def __post_init__(self) -> None:
        """Refuse a gate that would let anybody inside."""
        if self.inside and self.origin is None:
            raise ValueError("only a named origin may be inside")

    def check(self, url: Target) -> None:
        """Judge a request before it is sent, and each hop of a redirect.

        Raises:
            DestinationRefused: another origin than the named one; else a login, a port or a scheme of no web server.
        """
        found = origin_of(url)
        if self.origin is not None:
            if found != self.origin:
                raise DestinationRefused("a call would have left for another host than the one that is set")
        elif url.userinfo or found[2] not in _PORTS.values():
            raise DestinationRefused("a call would have gone to an address with a login or an unusual port")

    async def admitted(self, host: str, port: int) -> list[str]:
        """Return the addresses to connect to, every one of the host's judged.

        Raises:
            DestinationRefused: one of them may not be called: a name that also leads inside is not trusted.
            OSError: the name can't be looked up.
        """
        found = [plain(text) for text in await self.resolve(host, port)]
        allowed = is_inside if self.inside else is_open
        if not found or not all(allowed(address) for address in found) or (self.private and any(map(is_open, found))):
            raise DestinationRefused("a call would have gone to an address that may not be called")
        return [str(address) for address in dict.fromkeys(found)]
