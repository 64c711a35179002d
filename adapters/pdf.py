"""A PDF's text, page by page, read by a process of its own that is ended when it takes too long or too much."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from contracts.errors import BadInput

PAGE_BREAK = "\n\f"
_READER = Path(__file__).with_name("pdf_reader.py")
_SECONDS = 60.0
_PROBLEMS = {
    "encrypted": "the PDF is encrypted; save it without a password",
    "too_large": "the PDF is too large: over 5,000 pages, 7 MB of text or 1 GB to unpack",
    "unreadable": "not a PDF that can be read",
}


class PdfText(NamedTuple):
    """Title if the file has one, the text with a form feed before every page but the first, and how many are empty."""

    title: str
    text: str
    pages: int
    empty: int


def read_pdf(data: bytes, seconds: float = _SECONDS) -> PdfText:
    """Return a PDF's text.

    Raises:
        BadInput: it can't be read (codes ``pdf_encrypted``, ``pdf_too_large``, ``pdf_unreadable``, ``pdf_too_slow``) or
            holds no text, only pictures perhaps (``pdf_without_text``).
    """
    try:
        # Without an environment: a hostile file's reader has no secret to find there.
        ended = subprocess.run(  # noqa: S603 - our own reader, the file goes in as data
            [sys.executable, "-I", str(_READER)], input=data, capture_output=True, timeout=seconds, env={}, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise BadInput(f"the PDF took more than {seconds:g} s to read", code="pdf_too_slow") from exc
    if ended.returncode:
        raise BadInput("reading the PDF took too much time or memory", code="pdf_too_slow")
    found = json.loads(ended.stdout)
    if problem := found.get("error"):
        raise BadInput(_PROBLEMS[problem], code=f"pdf_{problem}")
    pages = [str(page).strip() for page in found["pages"]]
    if not any(pages):
        raise BadInput("the PDF holds no text, perhaps it was scanned; run OCR over it first", code="pdf_without_text")
    return PdfText(str(found["title"]).strip(), PAGE_BREAK.join(pages), len(pages), sum(not page for page in pages))
