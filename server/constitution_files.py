"""Constitutions and their keys as files: what people edit, sign and hand each other."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from pydantic import BaseModel, ValidationError

from contracts.constitution import Constitution, SignedConstitution
from contracts.errors import BadInput
from graph.constitution import key_id, raw

ModelT = TypeVar("ModelT", bound=BaseModel)
_MOST_BYTES = 1_000_000


def new_key(file: Path) -> tuple[str, str]:
    """Make a private key in a new file that only its owner may read; returns the public one and its name.

    Raises:
        BadInput: the file is there already, or can't be written.
    """
    key = Ed25519PrivateKey.generate()
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as exc:
        raise BadInput(
            f"{file} exists", code="file_exists", hint="A key is never replaced; choose another name."
        ) from exc
    except OSError as exc:
        raise BadInput(f"{file} can't be written: {exc.strerror}", code="file_unusable") from exc
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
    return base64.b64encode(raw(key)).decode(), key_id(raw(key))


def private_key(file: Path) -> Ed25519PrivateKey:
    """Read a private key.

    Raises:
        BadInput: the file holds none.
    """
    try:
        key = load_pem_private_key(_content(file), None)
    except (ValueError, TypeError) as exc:
        raise BadInput(f"{file} holds no Ed25519 private key", hint="`colony constitution keygen` makes one.") from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInput(f"{file} holds no Ed25519 private key", hint="`colony constitution keygen` makes one.")
    return key


def document(file: Path) -> Constitution:
    """Read a document to sign.

    Raises:
        BadInput: it is none; the message names the first field that is wrong.
    """
    return _read(file, Constitution)


def signed_document(file: Path) -> SignedConstitution:
    """Read a signed document; its signature is not verified by that.

    Raises:
        BadInput: it is none; the message names the first field that is wrong.
    """
    return _read(file, SignedConstitution)


def written(file: Path, one: SignedConstitution) -> None:
    """Write a signed document.

    Raises:
        BadInput: the file can't be written.
    """
    try:
        file.write_text(json.dumps(one.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as exc:
        raise BadInput(f"{file} can't be written: {exc.strerror}", code="file_unusable") from exc


def _read(file: Path, model: type[ModelT]) -> ModelT:
    try:
        return model.model_validate_json(_content(file), strict=True)
    except ValidationError as exc:
        first: Any = exc.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise BadInput(f"{file}: {where}: {first['msg']}", code="constitution_invalid") from exc


def _content(file: Path) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as exc:
        raise BadInput(f"{file} can't be read: {exc.strerror}", code="file_unusable") from exc
    if len(content) > _MOST_BYTES:
        raise BadInput(f"{file} is over {_MOST_BYTES} bytes", code="too_large")
    return content
