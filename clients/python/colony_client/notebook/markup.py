"""HTML and SVG as values: whatever is not markup already is escaped, so that no text of a mission can become any.

What a mission shows was written by customers, on web pages and by models. A notebook would run what is in it.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_VOID = frozenset({"br"})
_STYLE = """
.colony{font:13px/1.45 system-ui,sans-serif;max-width:960px;overflow-x:auto}
.colony table{border-collapse:collapse;margin:.4em 0}
.colony th,.colony td{text-align:left!important;vertical-align:top!important;padding:3px 10px;
 border-bottom:1px solid rgba(128,128,128,.28);max-width:34em;white-space:pre-wrap;overflow-wrap:break-word}
.colony th{font-weight:600;opacity:.75}
.colony h4{margin:.8em 0 .2em;font-size:13px}.colony p{margin:.2em 0}
.colony q{font-family:Georgia,serif;font-style:italic}
.colony code,.colony pre{font:12px/1.5 ui-monospace,monospace;background:none!important;white-space:pre-wrap}
.colony small{opacity:.7}
.colony .chip{padding:1px 8px;border-radius:9px;border:1px solid currentColor;font-weight:600;white-space:nowrap}
.colony .good{color:#2e8b57}.colony .bad{color:#d0453b}.colony .wait{color:#c98500}.colony .dim{opacity:.65}
.colony ins,.colony del{text-decoration:none}
.colony ins{background:rgba(46,139,87,.22)}.colony del{background:rgba(208,69,59,.2)}
.colony svg{display:block;max-width:100%;height:auto}
.colony svg text{fill:currentColor;font:12px system-ui,sans-serif;stroke:none}
""".replace("\n", "")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


@dataclass(frozen=True, repr=False)
class Shown:
    """What a notebook displays: a picture or a table, as plain text where there is no browser.

    Attributes:
        text: the same in words.
        html: for the browser; everything that came from the service is escaped.
        data: what was drawn, for programs.
    """

    text: str
    html: Markup
    data: Any = None

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def shown(lines: Iterable[str], *children: object, data: Any = None) -> Shown:
    """Return something to display: its lines for a terminal, its elements for a browser."""
    text = "\n".join(plain(line) for line in lines)
    # Dollar signs of prices are no formulas: the classes keep MathJax out.
    page = tag("div", tag("style", Markup(_STYLE)), *children, class_="colony mathjax_ignore tex2jax_ignore")
    return Shown(text, page, data)


def plain(value: object) -> str:
    """Return a value as text on which a terminal acts in no way and that reads in the order it is written in."""
    return "".join(c if _harmless(c) else "\N{REPLACEMENT CHARACTER}" for c in str(value))


def _harmless(char: str) -> bool:
    return char in "\n\t" or (unicodedata.category(char) not in {"Cc", "Cs"} and not _turns(char))


def _turns(char: str) -> bool:
    return unicodedata.bidirectional(char) in _TURNS


def escaped(value: object) -> Markup:
    """Return a value as HTML: markup as it is, anything else as text."""
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(plain(value), quote=True))


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """Return an element; ``class_`` is class, ``stroke_width`` is stroke-width, what is None is left out."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(plain(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{told}>" if name in _VOID else f"<{name}{told}>{joined(*children)}</{name}>")


def joined(*children: object) -> Markup:
    """Return elements and texts after one another; what is None is left out."""
    return Markup("".join(escaped(child) for child in children if child is not None))


def table(heads: Iterable[object], rows: Iterable[Iterable[object]]) -> Markup:
    """Return a table."""
    head = tag("tr", *(tag("th", one) for one in heads))
    body = (tag("tr", *(tag("td", cell) for cell in row)) for row in rows)
    return tag("table", tag("thead", head), tag("tbody", *body))


def chip(text: str, tone: str) -> Markup:
    """Return a word in a coloured frame; ``tone`` is good, bad, wait or dim."""
    return tag("span", text, class_=f"chip {tone}")


_TONES: Mapping[str, str] = {
    "completed": "good",
    "awaiting_approval": "wait",
    **dict.fromkeys(("blocked", "rejected", "expired", "failed"), "bad"),
}


def status_chip(status: str) -> Markup:
    """Return a mission's status in its colour."""
    return chip(status, _TONES.get(status, "dim"))


def brief(value: object, most: int = 120) -> str:
    """Return a value on one line, cut where it is long."""
    text = " ".join(str(value).split())
    return text if len(text) <= most else text[: most - 1] + "…"
