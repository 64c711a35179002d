"""Ed25519 signatures, verified by the standard library alone: RFC 8032, section 5.1.7, with no cofactor.

Slow and not in constant time, which a verifier of public data need not be.
"""

from __future__ import annotations

import hashlib

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)
_BYTES = 32
_Point = tuple[int, int, int, int]
"""Extended homogeneous coordinates: X, Y, Z and T with x = X/Z, y = Y/Z and xy = T/Z."""


def verified(public: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether a signature of 64 bytes is by a public key of 32 bytes, for exactly this message."""
    if len(public) != _BYTES or len(signature) != 2 * _BYTES:
        return False
    key, point = _decoded(public), _decoded(signature[:_BYTES])
    scalar = int.from_bytes(signature[_BYTES:], "little")
    if key is None or point is None or scalar >= _L:
        return False
    hashed = hashlib.sha512(signature[:_BYTES] + public + message).digest()
    challenge = int.from_bytes(hashed, "little") % _L
    return _equal(_times(scalar, _BASE), _sum(point, _times(challenge, key)))


def _decoded(data: bytes) -> _Point | None:
    """Return the point that 32 bytes stand for; None if they stand for none."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    x = _x_of(y, sign) if y < _P else None
    return None if x is None else (x, y, 1, x * y % _P)


def _x_of(y: int, sign: int) -> int | None:
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    return _P - x if x & 1 != sign else x


def _sum(one: _Point, other: _Point) -> _Point:
    a, b = (one[1] - one[0]) * (other[1] - other[0]) % _P, (one[1] + one[0]) * (other[1] + other[0]) % _P
    c, d = 2 * one[3] * other[3] * _D % _P, 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _times(scalar: int, point: _Point) -> _Point:
    total: _Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = _sum(total, point)
        point = _sum(point, point)
        scalar >>= 1
    return total


def _equal(one: _Point, other: _Point) -> bool:
    return (one[0] * other[2] - other[0] * one[2]) % _P == 0 and (one[1] * other[2] - other[1] * one[2]) % _P == 0


_Y = 4 * pow(5, -1, _P) % _P
_BASE: _Point = _decoded(_Y.to_bytes(_BYTES, "little")) or (0, 1, 1, 0)
