"""Files into plain text: Markdown, text, CSV and HTML; paragraphs stay paragraphs, so that a quote is found again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import PurePosixPath
from typing import NamedTuple

from contracts.canonical import clean_text
from contracts.errors import BadInput

MEDIA_TYPES = {
    ".md": "text/markdown",
    ".txt": "text/plain",
    ".html": "text/html",
    ".htm": "text/html",
    ".csv": "text/csv",
}
NOT_SUPPORTED_YET = frozenset({".pdf", ".docx", ".doc", ".pptx", ".xlsx", ".rtf", ".odt"})

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_HEADING = re.compile(r"^#\s+(.+?)\s*#*\s*$", re.MULTILINE)
_MAX_TITLE = 300
_SOFT_BREAK = "\x1e"  # a new line unless there is one already
_CELL = "\x1f"


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
        BadInput: the kind of file is not supported (codes ``not_supported_yet``, ``unknown_file_kind``).
    """
    path = PurePosixPath(name)
    suffix = path.suffix.lower()
    if suffix in NOT_SUPPORTED_YET:
        raise BadInput(f"{suffix} files are not supported yet", code="not_supported_yet")
    if suffix not in MEDIA_TYPES:
        raise BadInput("not a kind of file that is read as a document", code="unknown_file_kind")
    text, notes = decode(data)
    title = ""
    if MEDIA_TYPES[suffix] == "text/html":
        page = _Page()
        page.feed(text)
        page.close()
        text, title = page.text(), page.title()
    elif MEDIA_TYPES[suffix] == "text/markdown" and (heading := _HEADING.search(text)):
        title = heading.group(1)
    return Extracted(title[:_MAX_TITLE] or path.stem, MEDIA_TYPES[suffix], text, notes)


class _Page(HTMLParser):
    """Collects what a reader would see: blocks become paragraphs, rows become lines, cells are set apart by ` | `."""

    SILENT = frozenset({"script", "style", "template", "noscript", "svg", "title"})
    # fmt: off
    PARAGRAPH = frozenset({
        "p", "div", "section", "article", "header", "footer", "main", "aside", "nav", "h1", "h2", "h3", "h4",
        "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "pre", "form", "figure", "hr", "address",
        "details", "fieldset", "body",
    })
    # fmt: on
    LINE = frozenset({"br", "li", "tr", "dt", "dd", "caption", "option", "summary"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._title: list[str] = []
        self._silent: list[str] = []
        self._heading = False
        self._first_heading: list[str] = []
        self._verbatim = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag in self.SILENT:
            self._silent.append(tag)
        elif tag == "h1":
            self._heading = not self._first_heading
        elif tag == "pre":
            self._verbatim += 1
        self._break(tag)
        if tag in {"td", "th"}:
            self._parts.append(_CELL)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._silent:
            self._silent = self._silent[: self._silent.index(tag)]
        elif tag == "h1":
            self._heading = False
        elif tag == "pre":
            self._verbatim = max(0, self._verbatim - 1)
        self._break(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._break(tag)

    def handle_data(self, data: str) -> None:
        if self._silent:
            if self._silent[0] == "title":
                self._title.append(data)
            return
        if self._heading:
            self._first_heading.append(data)
        self._parts.append(data if self._verbatim else re.sub(r"\s+", " ", data))

    def _break(self, tag: str) -> None:
        if tag in self.PARAGRAPH:
            self._parts.append("\n\n")
        elif tag in self.LINE:
            self._parts.append("\n" if tag == "br" else _SOFT_BREAK)

    def title(self) -> str:
        """Return the page's title, or its first heading."""
        found = " ".join("".join(self._title).split())
        return found or " ".join("".join(self._first_heading).split())

    def text(self) -> str:
        """Return the text, one empty line between paragraphs."""
        joined = re.sub(rf"[ \t]*([\n{_SOFT_BREAK}])[ \t]*", r"\1", "".join(self._parts))
        lines = re.sub(rf"{_SOFT_BREAK}+", "\n", re.sub(rf"{_SOFT_BREAK}*\n{_SOFT_BREAK}*", "\n", joined))
        cells = re.sub(rf"[ \t]*{_CELL}[ \t]*", " | ", re.sub(rf"(^|\n)[ \t]*{_CELL}[ \t]*", r"\1", lines))
        return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]{2,}", " ", cells)).strip()
