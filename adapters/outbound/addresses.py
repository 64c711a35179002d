"""Which addresses may be called: those of the open internet, and inside only what an operator has named."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address

_NAT64 = IPv6Network("64:ff9b::/96")
# Ways through IPv6 to an IPv4 address that the far end chooses, and addresses of the clouds' own metadata services.
_TUNNELS = tuple(map(ip_network, ("2002::/16", "2001::/32", "64:ff9b:1::/48", "::/96", "192.88.99.0/24", "fec0::/10")))
_METADATA = frozenset(
    map(ip_address, ("169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254"))
)
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})


def plain(text: str) -> Address:
    """Return an address without its zone, and an IPv4 one that is written as an IPv6 one as what it is.

    Raises:
        ValueError: it is no address.
    """
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_open(address: Address) -> bool:
    """Tell whether an address belongs to the open internet, by no detour."""
    if not address.is_global or not _is_usual(address):
        return False
    if isinstance(address, IPv6Address) and (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return False
    return not any(_within(address, network) for network in _TUNNELS)


def is_inside(address: Address) -> bool:
    """Tell whether an address may be called where an operator has named its host: this machine, a private network."""
    return _is_usual(address) or address.is_loopback or address.is_unspecified


def _is_usual(address: Address) -> bool:
    """Tell whether it is one host's address, and neither metadata's nor the link's own."""
    return address not in _METADATA and not (
        address.is_multicast or address.is_link_local or address.is_reserved or address.is_unspecified
    )


def _within(address: Address, network: IPv4Network | IPv6Network) -> bool:
    return address.version == network.version and address in network


def is_loopback(host: str) -> bool:
    """Tell whether a URL's host is this machine by its very spelling."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
