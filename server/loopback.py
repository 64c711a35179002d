"""Telling a program on this machine from everybody who only looks like one."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import Request

_PASSED_ON = frozenset({"forwarded", "via", "x-real-ip"})


def is_local(request: Request) -> bool:
    """Tell whether a program on this machine calls by itself.

    A web page open in a local browser also calls from loopback: it gives itself away by its Origin, or, after DNS
    rebinding, by the Host it believes it is talking to. A reverse proxy gives itself away by what it forwards.
    """
    if request.client is None or not _is_loopback(request.client.host):
        return False
    if any(name in _PASSED_ON or name.startswith("x-forwarded-") for name in request.headers):
        return False
    claimed = [f"//{request.headers.get('Host', '')}"]
    if origin := request.headers.get("Origin"):
        claimed.append(origin)
    return all(_is_loopback(_host_of(url)) for url in claimed)


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
