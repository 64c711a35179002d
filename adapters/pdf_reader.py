"""The process that reads one PDF from standard input and writes JSON: ``{title, pages}`` or ``{error}``.

A PDF is a program of sorts and its reader may be led anywhere, so it runs apart, with bounds on time and memory.
"""

from __future__ import annotations

import io
import json
import logging
import resource
import sys

from pypdf import PdfReader
from pypdf.errors import PyPdfError

CPU_SECONDS = 30
MEMORY_BYTES = 1024 * 1024 * 1024
MOST_PAGES = 5_000
MOST_CHARACTERS = 7 * 1024 * 1024


def read(data: bytes) -> dict[str, object]:
    """Return what the file says, or what is wrong with it: ``encrypted``, ``unreadable`` or ``too_large``."""
    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        return {"error": "encrypted"}
    if len(reader.pages) > MOST_PAGES:
        return {"error": "too_large"}
    pages: list[str] = []
    room = MOST_CHARACTERS
    for page in reader.pages:
        text = page.extract_text()
        room -= len(text)
        if room < 0:
            return {"error": "too_large"}
        pages.append(text)
    title = reader.metadata.title if reader.metadata else None
    return {"title": str(title or ""), "pages": pages}


def main() -> None:
    """Read one file within the bounds."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    logging.disable()
    try:
        found = read(sys.stdin.buffer.read())
    except MemoryError:
        found = {"error": "too_large"}
    # What a broken file makes of its reader is not in any list: it is this process's whole job to be broken by it.
    except (
        PyPdfError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        RecursionError,
        OSError,
        ArithmeticError,
    ):
        found = {"error": "unreadable"}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
