"""The key that roots are signed with (Ed25519, RFC 8032)."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from contracts.errors import SettingInvalid


class AuditKey:
    """A private key; ``public`` is its public one, 64 hex digits."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    @classmethod
    def read(cls, file: Path) -> AuditKey:
        """Read a key from a PEM file.

        Raises:
            SettingInvalid: it can't be read, or holds no Ed25519 key.
        """
        try:
            found = load_pem_private_key(file.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as exc:
            raise _unusable("can't be read as a private key") from exc
        if not isinstance(found, Ed25519PrivateKey):
            raise _unusable("holds no Ed25519 key")
        return cls(found)

    @classmethod
    def made(cls, file: Path) -> AuditKey:
        """Return the key in a file that only its owner reads; made when there is none.

        Raises:
            SettingInvalid: the file can't be made or read.
        """
        private = Ed25519PrivateKey.generate()
        content = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        part = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists():
                with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
                    out.write(content)
                    out.flush()
                    os.fsync(out.fileno())
                try:
                    os.link(part, file)  # of several processes the first one's key is everybody's
                except FileExistsError:
                    pass
                finally:
                    part.unlink()
        except OSError as exc:
            raise _unusable(f"can't be made: {exc.strerror}") from exc
        return cls.read(file)

    def sign(self, content: bytes) -> str:
        """Return the signature of some bytes, 128 hex digits."""
        return self._private.sign(content).hex()


def signed(public: str, content: bytes, signature: str) -> bool:
    """Tell whether a signature of these bytes is by the holder of the key."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _unusable(what: str) -> SettingInvalid:
    return SettingInvalid(
        f"COLONY_AUDIT_KEY_FILE {what}", hint="It must be a PEM file as `openssl genpkey -algorithm ed25519` makes."
    )
