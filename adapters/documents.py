"""Files into plain text: Markdown, text, CSV, HTML and PDF; paragraphs stay paragraphs, so a quote is found again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from adapters.headings import heading
from adapters.pdf import read_pdf
from adapters.webpages import read_page
from contracts.canonical import clean_text
from contracts.errors import BadInput

MEDIA_TYPES = {
    ".md": "text/markdown",
    ".txt": "text/plain",
    ".html": "text/html",
    ".htm": "text/html",
    ".csv": "text/csv",
    ".pdf": "application/pdf",
}
NOT_SUPPORTED_YET = frozenset({".docx", ".doc", ".pptx", ".xlsx", ".rtf", ".odt"})

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_MAX_TITLE = 300


class Decoded(NamedTuple):
    """Text of bytes, and what had to be done to get it."""

    text: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Extracted:
    """A document as text, with its title and what was lost or guessed on the way."""

    title: str
    media_type: str
    text: str
    notes: tuple[str, ...]


def decode(data: bytes) -> Decoded:
    """Return the bytes as clean text: UTF-8, else UTF-16 with its mark, else Latin-1, which is said in the notes."""
    notes = []
    if data.startswith(_UTF16_MARKS):
        text = data.decode("utf-16", errors="replace")
        notes.append("read as UTF-16")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
            notes.append("not UTF-8, read as Latin-1")
    clean, dropped = clean_text(text)
    if dropped:
        notes.append(f"{dropped} characters that can't be kept were dropped")
    return Decoded(clean, tuple(notes))


def extract(name: str, data: bytes) -> Extracted:
    """Return a file's text and title.

    Raises:
        BadInput: the kind of file is not supported (codes ``not_supported_yet``, ``unknown_file_kind``), or it is a PDF
            that can't be read (as said in `read_pdf`).
    """
    path = PurePosixPath(name)
    suffix = path.suffix.lower()
    if suffix in NOT_SUPPORTED_YET:
        raise BadInput(f"{suffix} files are not supported yet", code="not_supported_yet")
    if suffix not in MEDIA_TYPES:
        raise BadInput("not a kind of file that is read as a document", code="unknown_file_kind")
    if suffix == ".pdf":
        return _from_pdf(path, data)
    text, notes = decode(data)
    title = ""
    if MEDIA_TYPES[suffix] == "text/html":
        title, text = read_page(text)
    elif MEDIA_TYPES[suffix] == "text/markdown":
        title = next((found.name for line in text.split("\n") if (found := heading(line)) and found.level == 1), "")
    return Extracted(title[:_MAX_TITLE] or path.stem, MEDIA_TYPES[suffix], text, notes)


def _from_pdf(path: PurePosixPath, data: bytes) -> Extracted:
    found = read_pdf(data)
    text, dropped = clean_text(found.text)
    notes = [f"{found.empty} of {found.pages} pages hold no text"] if found.empty else []
    if dropped:
        notes.append(f"{dropped} characters that can't be kept were dropped")
    title = clean_text(found.title)[0]
    return Extracted(title[:_MAX_TITLE] or path.stem, MEDIA_TYPES[".pdf"], text, tuple(notes))
