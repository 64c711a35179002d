"""A web page's text as a reader sees it: paragraphs, lines and cells kept apart; scripts and styles left out."""

from __future__ import annotations

from typing import Any, NamedTuple

import html_text

_SILENT = ("script", "style", "template", "noscript", "svg", "title", "head", "iframe", "object")
_CELL = "| "


class PageText(NamedTuple):
    """The page's title or else first heading, and its text."""

    title: str
    text: str


def read_page(page: str) -> PageText:
    """Return a page's title and text; whatever is no HTML is read as far as it goes."""
    tree = html_text.parse_html(page)
    if tree is None:
        return PageText("", "")
    title = _first(tree, "title") or _first(tree, "h1")
    for element in list(tree.iter(*_SILENT)):
        # What follows the element belongs to its parent.
        element.drop_tree()
    for cell in list(tree.iter("td", "th")):
        if cell.getprevious() is not None:
            cell.text = _CELL + (cell.text or "").lstrip()
    return PageText(title, html_text.etree_to_text(tree).strip())


def _first(tree: Any, tag: str) -> str:
    found = next(iter(tree.iter(tag)), None)
    return " ".join(str(found.text_content()).split()) if found is not None else ""
