"""An issuer of tokens with its own keys, as a product's identity provider is one."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from server.principal import CAPABILITIES
from tests.constitution import PUBLIC_KEY

ISSUER = "https://id.example.com"
AUDIENCE = "colony"


@dataclass
class Issuer:
    """Signs with RS256 (kid ``rsa``) or EdDSA (kid ``ed``)."""

    by_rsa: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    by_ed: ed25519.Ed25519PrivateKey = field(default_factory=ed25519.Ed25519PrivateKey.generate)

    def settings(self, folder: Path) -> dict[str, str]:
        """Return what a production deployment that trusts this issuer is set to."""
        known = jwt.algorithms.RSAAlgorithm.to_jwk(self.by_rsa.public_key(), as_dict=True) | {"kid": "rsa"}
        other = jwt.algorithms.OKPAlgorithm.to_jwk(self.by_ed.public_key(), as_dict=True) | {"kid": "ed"}
        file = folder / "jwks.json"
        file.write_text(json.dumps({"keys": [known, other]}), encoding="utf-8")
        return {
            "COLONY_DEPLOYMENT_MODE": "production",
            "JWT_ISSUER": ISSUER,
            "JWT_AUDIENCE": AUDIENCE,
            "JWT_JWKS_FILE": str(file),
            "ROOT_API_KEY": "a key for the root",
            "CONSTITUTION_PUBLIC_KEY": PUBLIC_KEY,
        }

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return good claims, some of them changed; None takes one out."""
        now = int(time.time())
        good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "tenant": "acme", "exp": now + 7_200, "iat": now}
        claims = {
            **good,
            "nbf": now,
            "jti": uuid4().hex,
            "roles": ["agent"],
            "capabilities": sorted(CAPABILITIES),
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, kid: str = "rsa", **changes: Any) -> str:
        """Return a signed token."""
        return self.signed(self.claims(**changes), {"kid": kid})

    def signed(self, claims: dict[str, Any], header: dict[str, Any]) -> str:
        """Return a token of any claims and header, signed by this issuer's key."""
        key, algorithm = (self.by_ed, "EdDSA") if header.get("kid") == "ed" else (self.by_rsa, "RS256")
        return jwt.encode(claims, key, algorithm, header)

    def bearer(self, **changes: Any) -> dict[str, str]:
        """Return the header that carries a token."""
        return {"Authorization": f"Bearer {self.token(**changes)}"}
