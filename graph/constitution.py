"""The constitution at work: its signature is verified before every decision, call and write, by keys from outside.

What is in force is read from the store each time, so that a change holds from the next check on, in every process;
and nothing that is read is believed: content, hash, version, the people who agreed and the signature are held against
each other and against the keys that the deployment was started with. Only the outcome for the very same bytes is
remembered. A process never goes back behind a version that it, or one before it on this machine, has seen in force.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from contracts.canonical import sha256_hex
from contracts.constitution import SIGNED_AS, Constitution, SignedConstitution, StoredConstitution
from contracts.errors import ConstitutionUnverified

PUBLIC_KEY_BYTES = 32
NO_KEY = "Set CONSTITUTION_PUBLIC_KEY (`colony constitution keygen` makes a pair); see docs/constitution.md."
NONE_ACTIVE = "Sign one and let people activate it: `colony constitution activate FILE`; see docs/constitution.md."


@dataclass(frozen=True)
class InForce:
    """A constitution whose signature was verified, and its hash."""

    constitution: Constitution
    sha256: str

    @property
    def named(self) -> dict[str, Any]:
        """Its ``{version, sha256}``."""
        return {"version": self.constitution.version, "sha256": self.sha256}


def key_id(public: bytes) -> str:
    """Name a public key, of 32 raw bytes."""
    return hashlib.sha256(public).hexdigest()[:16]


def raw(key: Ed25519PrivateKey) -> bytes:
    """Return the 32 raw bytes of a key's public half."""
    return key.public_key().public_bytes_raw()


def signed(constitution: Constitution, key: Ed25519PrivateKey) -> SignedConstitution:
    """Sign a constitution."""
    signature = base64.b64encode(key.sign(SIGNED_AS + constitution.canonical())).decode()
    return SignedConstitution(constitution=constitution, key_id=key_id(raw(key)), signature=signature)


class SeenPort(Protocol):
    """Remembers, outside the database, the highest version that was seen in force."""

    def last(self) -> tuple[int, str] | None:
        """Return version and hash, if one was seen."""
        ...

    def saw(self, version: int, sha256: str) -> None:
        """Remember that one is in force."""
        ...


class Guard:
    """Verifies constitutions for one process, by the public keys that it was started with.

    Attributes:
        own: the name of the key that a developer mode signs its first constitution with: nobody else has it, and what
            it signs needs no people.
    """

    def __init__(self, keys: Iterable[bytes], *, own: str | None = None, seen: SeenPort | None = None) -> None:
        self._keys = {key_id(key): Ed25519PublicKey.from_public_bytes(key) for key in keys}
        self.own = own
        self._memory = seen
        self._seen = seen.last() if seen is not None else None
        self._known: tuple[StoredConstitution, InForce] | None = None
        self._looking = threading.Lock()
        self._failed = False

    @property
    def keys(self) -> Mapping[str, bytes]:
        """The public keys that this deployment trusts, by name."""
        return {name: key.public_bytes_raw() for name, key in self._keys.items()}

    @property
    def seen(self) -> int:
        """The highest version that was seen in force, by this process or on this machine before it; 0 for none."""
        return self._seen[0] if self._seen is not None else 0

    def standing(self) -> tuple[int, bool]:
        """Return the highest version that was seen in force, and whether none held at the last look."""
        return self.seen, self._failed

    def holds(self, content: bytes, signature: bytes, named: str | None) -> bool:
        """Tell whether a signature is by the key of that name, which this deployment trusts, for exactly this."""
        key = self._keys.get(named or "")
        if key is None:
            return False
        try:
            key.verify(signature, SIGNED_AS + content)
        except InvalidSignature:
            return False
        return True

    def proposed(self, one: SignedConstitution) -> Constitution:
        """Return a constitution that may be proposed.

        Raises:
            ConstitutionUnverified: its signature is not by a key that this deployment trusts.
        """
        if not self._keys:
            raise ConstitutionUnverified("this deployment trusts no key", hint=NO_KEY)
        if not self.holds(one.constitution.canonical(), base64.b64decode(one.signature), one.key_id):
            raise ConstitutionUnverified(
                "the constitution is not signed by a key that this deployment trusts",
                hint="Sign it with the private half of CONSTITUTION_PUBLIC_KEY: `colony constitution sign`.",
            )
        return one.constitution

    def verified(self, stored: StoredConstitution | None) -> InForce:
        """Return what is in force, if it holds.

        Raises:
            ConstitutionUnverified: there is none, or it does not.
        """
        try:
            found = self._held(stored)
        except ConstitutionUnverified:
            self._failed = True
            raise
        self._failed = False
        return found

    def _held(self, stored: StoredConstitution | None) -> InForce:
        if stored is not None and self._known is not None and self._known[0] == stored:
            found = self._known[1]
        else:
            found = self._verify(stored)
        self._never_back(found)
        if stored is not None:
            self._known = (stored, found)
        return found

    async def now(self, stored: StoredConstitution | None) -> InForce:
        """As ``verified``, beside the event loop where it is new to this process: it is then written down.

        Raises:
            ConstitutionUnverified: there is none, or it does not hold.
        """
        if stored is not None and self._known is not None and self._known[0] == stored:
            return self.verified(stored)
        return await asyncio.to_thread(self.verified, stored)

    def _verify(self, stored: StoredConstitution | None) -> InForce:
        if not self._keys:
            raise ConstitutionUnverified("this deployment trusts no key that could verify a constitution", hint=NO_KEY)
        if stored is None:
            raise ConstitutionUnverified("no constitution has been activated", hint=NONE_ACTIVE)
        content, signature = stored.content, stored.signature
        if content is None or signature is None:
            raise ConstitutionUnverified("the constitution in force is gone from the store")
        if sha256_hex(content) != stored.sha256:
            raise ConstitutionUnverified("the stored constitution does not match its hash")
        if not self.holds(content, signature, stored.key_id):
            raise ConstitutionUnverified("the constitution in force is not signed by a key that this deployment trusts")
        try:
            constitution = Constitution.model_validate_json(content)
        except ValueError as exc:
            raise ConstitutionUnverified("the constitution in force can't be read by this version of Colony") from exc
        if constitution.canonical() != content or constitution.version != stored.version:
            raise ConstitutionUnverified("the constitution in force is not stored as it was signed")
        if stored.highest != stored.version:
            raise ConstitutionUnverified("an older version was put in the place of the constitution in force")
        if stored.agreed < constitution.people and stored.key_id != self.own:
            raise ConstitutionUnverified("too few people agreed to the constitution in force")
        return InForce(constitution, stored.sha256)

    def _never_back(self, found: InForce) -> None:
        now = (found.constitution.version, found.sha256)
        with self._looking:
            if now == self._seen:
                return
            if self._seen is not None and now[0] <= self._seen[0]:
                raise ConstitutionUnverified(
                    f"version {self._seen[0]} of the constitution was in force, and another was put in its place"
                )
            self._seen = now
            if self._memory is not None:
                self._memory.saw(*now)
