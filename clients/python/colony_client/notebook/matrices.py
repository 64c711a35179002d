"""The evidence matrix: each claim against each source it rests on, its quotes found again in the stored text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from colony_client.notebook.markup import Markup, Shown, brief, joined, shown, table, tag
from colony_client.types import Artifact, Claim, Contradiction, Mission

_LONG_NAME = 24


def evidence(mission: Mission, artifacts: Sequence[Artifact]) -> Shown:
    """Show every claim that was released with its verbatim quotes; a quote that is not at its place is marked."""
    packet = mission["packet"]
    if packet is None:
        return shown(["Nothing was released."], tag("p", "Nothing was released."), data={"claims": 0, "quotes": 0})
    stored = {one["artifact_id"]: one for one in artifacts}
    claims = packet["claims"]
    cited = list(dict.fromkeys(c["artifact_id"] for claim in claims for c in claim["citations"]))
    heads = ["claim", *(_source(stored.get(name), name) for name in cited)]
    rows = [[_claim(claim), *(_quotes(claim, name, stored.get(name)) for name in cited)] for claim in claims]
    checks = [_holds(c, stored.get(c["artifact_id"])) for claim in claims for c in claim["citations"]]
    on = "1 source" if len(cited) == 1 else f"{len(cited)} sources"
    said = f"{len(claims)} claims on {on}; {sum(checks)} of {len(checks)} quotes are in the stored text."
    lines, against = _contradictions(packet["contradictions"])
    words = [said, *(line for claim in claims for line in _words(claim, stored)), *lines]
    data = {"claims": len(claims), "sources": len(cited), "quotes": len(checks), "found": sum(checks)}
    return shown(words, tag("p", said), table(heads, rows), against, data=data)


def _source(artifact: Artifact | None, name: str) -> Markup:
    if artifact is None:
        return tag("span", name)
    source = artifact["payload"].get("source", {})
    title, own = str(source.get("title") or ""), str(source.get("id") or name)
    # A conversation without an id of its own has a hash for one, which tells nobody anything.
    called = title if title and len(own) > _LONG_NAME else own
    kind, trust = source.get("entity", ""), artifact["payload"].get("trust", "")
    return joined(f"{kind} {brief(called, 40)}", tag("br"), tag("small", f"{trust} text"))


def _claim(claim: Claim) -> Markup:
    details = " · ".join(filter(None, [str(claim.get("status", "")), f"confidence {claim.get('confidence', 0):g}"]))
    return joined(tag("b", brief(claim["text"], 200)), tag("br"), tag("small", details))


def _quotes(claim: Claim, name: str, artifact: Artifact | None) -> Markup:
    lines = []
    for one in claim["citations"]:
        if one["artifact_id"] == name:
            holds = _holds(one, artifact)
            mark = tag("span", "✓ " if holds else "✗ not there: ", class_="good" if holds else "bad")
            place = tag("small", f" {one['start']}-{one['end']}")
            lines.append(tag("p", mark, tag("q", brief(one["quote"], 300)), place))
    return joined(*lines)


def _holds(citation: Mapping[str, Any], artifact: Artifact | None) -> bool:
    """Tell whether a quote is where it says, character for character."""
    text = artifact["payload"].get("text", "") if artifact is not None else ""
    return bool(citation["quote"]) and text[citation["start"] : citation["end"]] == citation["quote"]


def _words(claim: Claim, stored: Mapping[str, Artifact]) -> list[str]:
    quotes = [
        f'    {"ok" if _holds(c, stored.get(c["artifact_id"])) else "NOT THERE"} "{brief(c["quote"])}"'
        for c in claim["citations"]
    ]
    return [f"  {brief(claim['text'])}", *dict.fromkeys(quotes)]


def _contradictions(found: Sequence[Contradiction]) -> tuple[list[str], Markup | None]:
    if not found:
        return [], None
    rows = [
        [one["subject"], one["attribute"], " / ".join(v["value"] for v in one["values"]), one["resolution"]]
        for one in found
    ]
    lines = [f"contradiction: {attribute}: {values} ({how})" for _, attribute, values, how in rows]
    return lines, joined(tag("h4", "Contradictions"), table(["subject", "attribute", "values", "resolution"], rows))
