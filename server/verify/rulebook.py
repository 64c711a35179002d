"""What decisions were made under: the text of the rules."""

from __future__ import annotations

from server.verify.contents import Contents
from server.verify.plain import Broken, sha256_hex


def rulebook(c: Contents) -> str:
    """Hold the texts of rules against the hashes that decisions name.

    Raises:
        Broken: a text is not the one that decided, or nothing was decided under it.
    """
    named = {d.text("rules_sha256") for d in c.of("policy_decision")}
    for one in c.rules:
        if sha256_hex(one.text("content").encode()) != one.text("rules_sha256"):
            raise Broken(f"{one.where}: the text does not have the hash that decisions name")
        if one.text("rules_sha256") not in named:
            raise Broken(f"{one.where}: nothing was decided under these rules")
    return f"{len(c.rules)} of the {len(named)} rule sets that decided are here, as they were"
