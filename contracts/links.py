"""Links in text: found however they are written, and made such that nothing follows them."""

from __future__ import annotations

import re
import unicodedata

# A scheme, www., or a name with dots and then a path, a port, a query or a country's or company's ending.
_LINK = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,20}:/{1,2}|(?:mailto|tel|sms|javascript|data|vbscript|file|intent):)\S+"
    r"|\bwww\d?\.\S+"
    r"|(?<![\w@.])(?:[^\W_][\w-]{0,62}\.){1,8}[^\W\d_]{2,24}(?:[/:?#][^\s.,;]\S*)"
    r"|(?<![\w@.])(?:[^\W_][\w-]{0,62}\.){1,8}(?:com|net|org|info|biz|io|ai|app|dev|co|me|xyz|top|site|online|link)\b"
    r"|(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.])(?:[/:]\S+)?",
    re.IGNORECASE,
)
_DOTS = str.maketrans("\u3002\uff0e\uff61\u2024\u2044\u2215\u29f8", "....///")
REMOVED = "[link removed]"


def has_link(text: str) -> bool:
    """Tell whether a text holds something that a program would make a link of."""
    return _LINK.search(_plain(text)) is not None


def without_links(text: str) -> str:
    """Return the text with every link replaced by a mark; one without links comes back as it is."""
    return _LINK.sub(REMOVED, _plain(text)) if has_link(text) else text


def _plain(text: str) -> str:
    """Return the text in one spelling, so that look-alike dots and invisible characters hide no link."""
    folded = unicodedata.normalize("NFKC", text.translate(_DOTS)).translate(_DOTS)
    return "".join(c for c in folded if unicodedata.category(c) != "Cf")
