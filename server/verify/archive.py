"""The archive itself, read without trusting it.

A bundle is a zip in one form only: members stored uncompressed, in the order of their names, with fixed metadata and
nothing between, before or after them. So there is exactly one archive for given files, every byte of it is either
content or checked, and neither a compression bomb nor a second reading of the directory has any room.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zlib
from pathlib import Path

from server.verify.plain import Broken

MAX_BYTES = 256 * 1024 * 1024
MAX_FILES = 20_000
_VERSION, _UNIX, _MODE = 20, 3, 0o644 << 16
_MIDNIGHT, _FIRST_OF_1980 = 0, 0x21
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s4B4H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_NAME = re.compile(r"[a-z_]{1,40}\.jsonl?|artifacts/[a-z_]{1,40}/[a-z]{2}_[0-9a-f]{32}\.json")


def load(path: Path) -> bytes:
    """Read the file, if it is one and not too large.

    Raises:
        Broken: it is not a readable file of at most ``MAX_BYTES``.
    """
    try:
        # Without O_NONBLOCK a pipe that nobody writes to would hold the verifier for ever.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise Broken("the bundle is not a regular file")
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as exc:
        raise Broken("the bundle can't be read from disk") from exc
    if len(data) > MAX_BYTES:
        raise Broken(f"the bundle is larger than {MAX_BYTES} bytes")
    return data


def members(data: bytes) -> dict[str, bytes]:
    """Return the files of an archive by name.

    Raises:
        Broken: it is not byte for byte the archive that Colony writes for these files.
    """
    found: dict[str, bytes] = {}
    directory: list[bytes] = []
    at, last = 0, ""
    while data[at : at + 4] == b"PK\x03\x04":
        name, content, end = _member(data, at)
        if name <= last:
            raise Broken(f"the archive holds {name} twice or out of order")
        if len(found) == MAX_FILES:
            raise Broken(f"the archive holds more than {MAX_FILES} files")
        directory.append(_entry(name, content, at))
        found[name] = content
        at, last = end, name
    tail = b"".join(directory)
    tail += _END.pack(b"PK\x05\x06", 0, 0, len(found), len(found), len(tail), at, 0)
    if not found or data[at:] != tail:
        raise Broken("the archive's directory is not the one that belongs to its files: it was re-packed or changed")
    return found


def _member(data: bytes, at: int) -> tuple[str, bytes, int]:
    try:
        _, *fixed, crc, packed, size, name_length, extra = _LOCAL.unpack_from(data, at)
    except struct.error as exc:
        raise Broken("the archive is cut off") from exc
    if fixed != [_VERSION, 0, 0, _MIDNIGHT, _FIRST_OF_1980] or packed != size or extra:
        raise Broken("the archive was re-packed: a member is compressed, dated or marked otherwise than Colony does")
    begin = at + _LOCAL.size + name_length
    name = data[at + _LOCAL.size : begin].decode("ascii", "replace")
    if not _NAME.fullmatch(name):
        raise Broken(f"the archive holds a file that no bundle has: {name[:120]}")
    content = data[begin : begin + size]
    if len(content) < size:
        raise Broken(f"the archive is cut off within {name}")
    if zlib.crc32(content) != crc:
        raise Broken(f"{name} is damaged: its checksum does not match")
    return name, content, begin + size


def _entry(name: str, content: bytes, offset: int) -> bytes:
    size = len(content)
    versions = (_VERSION, _UNIX, _VERSION, 0)
    fixed = (0, 0, _MIDNIGHT, _FIRST_OF_1980, zlib.crc32(content), size, size, len(name), 0, 0, 0, 0, _MODE, offset)
    return _CENTRAL.pack(b"PK\x01\x02", *versions, *fixed) + name.encode("ascii")
