"""JSON Web Tokens: what makes one hold. The keys are those of a file, whatever a token says of itself."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import jwt
import structlog
from jwt import PyJWK, PyJWKSet
from jwt.utils import base64url_decode

from contracts.errors import SettingInvalid, Unauthenticated
from server.body import once
from server.settings import Settings

# Asymmetric only: a shared secret among the public keys would let everybody who reads them sign.
_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
_REQUIRED = ("exp", "nbf", "iss", "aud", "sub", "jti")
_HEADERS = frozenset({"alg", "kid", "typ"})
"""What a token's header may hold. Another (jku, x5u, jwk, x5c, crit …) would name a key or a rule of its own."""
_LONGEST = 8_192
_LONGEST_NAME = 200
_SKEW_S = 5
"""By how much an issuer's clock may be ahead; a token that has expired has expired."""
_BROKEN = (jwt.PyJWTError, ValueError, TypeError, RecursionError, OverflowError)

_log = structlog.get_logger(__name__)


class TokenVerifier:
    """Verifies tokens by ``JWT_ISSUER``, ``JWT_AUDIENCE`` and the keys of ``JWT_JWKS_FILE``, read anew when it changes.

    Raises:
        SettingInvalid: the settings can't be used, or the file holds no public key.
    """

    def __init__(self, settings: Settings) -> None:
        self._issuer, self._audience = settings.jwt_issuer, settings.jwt_audience
        self._file = settings.jwt_jwks_file
        self._seen: tuple[int, ...] = ()
        self._keys: dict[str, PyJWK] = {}
        if self._file is None:
            return
        if not self._issuer or not self._audience:
            raise SettingInvalid(
                "JWT_JWKS_FILE is set without JWT_ISSUER and JWT_AUDIENCE", hint="Set all three, or none."
            )
        try:
            self._seen, self._keys = _version(self._file), _read(self._file)
        except (OSError, *_BROKEN, AttributeError) as exc:
            raise SettingInvalid("JWT_JWKS_FILE can't be used", hint="It must be a readable JSON Web Key Set.") from exc
        if not self._keys:
            raise SettingInvalid("JWT_JWKS_FILE holds no public key", hint="It must hold RSA, EC or Ed25519 keys.")

    def claims(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that holds.

        Raises:
            Unauthenticated: it does not.
        """
        self._refresh()
        try:
            key = self._keys.get(_kid(token))
            if key is None:
                raise Unauthenticated("nobody here knows the token's key")
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audience,
                leeway=_SKEW_S,
                options={"require": list(_REQUIRED)},
            )
            _strict(claims, time.time())
        except jwt.MissingRequiredClaimError as exc:
            raise Unauthenticated(f"the token lacks the claim {exc.claim}") from exc
        except _BROKEN as exc:
            raise Unauthenticated("the token does not hold") from exc
        return claims

    def _refresh(self) -> None:
        """Read the keys anew if the file has changed. One that can't be read changes nothing; one without keys, all."""
        if self._file is None:
            return
        try:
            if (version := _version(self._file)) == self._seen:
                return
            self._seen, self._keys = version, _read(self._file)
        except (OSError, *_BROKEN, AttributeError) as exc:
            _log.warning("JWT_JWKS_FILE has changed and can't be used, the keys of before stay", error=str(exc)[:80])
            return
        _log.info("JWT_JWKS_FILE was read anew", keys=len(self._keys))


def _version(file: Path) -> tuple[int, ...]:
    stat = os.stat(file)
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _read(file: Path) -> dict[str, PyJWK]:
    content = json.loads(file.read_text(encoding="utf-8"))
    if content.get("keys") == []:
        return {}
    keys = PyJWKSet.from_dict(content).keys
    return {key.key_id: key for key in keys if key.key_id and key.algorithm_name in _ALGORITHMS}


def _kid(token: str) -> str:
    """Return which key a token names, if it is written as a token of ours is.

    Raises:
        ValueError: its header says more than that, or something in it is said twice.
    """
    if len(token) > _LONGEST or token.count(".") != 2:
        raise ValueError("not a token of ours")
    head, body, _ = token.split(".")
    header = json.loads(base64url_decode(head), object_pairs_hook=once)
    json.loads(base64url_decode(body), object_pairs_hook=once)
    if not isinstance(header, dict) or not header.keys() <= _HEADERS or not isinstance(header.get("kid"), str):
        raise ValueError("not a header of ours")
    return str(header["kid"])


def _strict(claims: dict[str, Any], now: float) -> None:
    """Check what the library is lenient about: a time is a number (RFC 7519, section 2), and names are names."""
    times = [claims[name] for name in ("exp", "nbf", "iat") if name in claims]
    if not all(type(moment) in (int, float) for moment in times):
        raise ValueError("a time is no number")
    if float(claims["exp"]) <= now:
        raise ValueError("expired")
    for name in ("sub", "jti"):
        value = claims[name]
        if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME or not value.isprintable():
            raise ValueError(f"{name} names nothing")
