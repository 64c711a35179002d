"""Where a webhook may go: the address is looked up, judged and then used, so that it can't change in between."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address


async def resolve(host: str, port: int, *, allow_private: bool) -> str | None:
    """Return an address of a host that may be called, as text for a URL; None when it has none that may.

    Without ``allow_private`` only addresses of the open internet may be called, and every address of the name must be
    one: a name that also leads inside is not trusted.

    Raises:
        OSError: the name can't be looked up.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [_plain(ip_address(str(entry[4][0]).partition("%")[0])) for entry in found]
    if not addresses or not (allow_private or all(address.is_global for address in addresses)):
        return None
    first = addresses[0]
    return f"[{first}]" if first.version == 6 else str(first)


def _plain(address: Address) -> Address:
    """Unwrap an IPv4 address that is written as an IPv6 one."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def is_loopback(host: str) -> bool:
    """Tell whether a URL's host is this machine by its very spelling."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
