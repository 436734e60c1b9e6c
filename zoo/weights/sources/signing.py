# SPDX-License-Identifier: Apache-2.0
"""Keys and signatures of indexes: ed25519, detached, over the bytes of the file as they lie.

The signature is a small JSON file beside the index::

    {"format": 1, "algorithm": "ed25519", "key": "<base64>", "signature": "<base64>"}

``cryptography`` computes and verifies. ``model-signing`` and sigstore are not used: they need a
network for their root of trust, and an index must be verifiable offline.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.documents import DocumentError, Limits, parse_json, read_file, reason_of
from zoo.errors import SourceError
from zoo.fields import Fields
from zoo.files import expand_home, write_new_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = [
    "SIGNATURE_LIMITS",
    "SIGNATURE_SUFFIX",
    "PublicKey",
    "make_key",
    "read_fingerprint",
    "read_private_key",
    "sign",
    "verify",
]

SIGNATURE_SUFFIX = ".sig"
SIGNATURE_LIMITS = Limits(size_bytes=2**12, values=50, depth=2)
_FORMAT = 1
_ALGORITHM = "ed25519"
_KEY_BYTES, _SIGNATURE_BYTES = 32, 64
_MOST_PEM_BYTES = 2**14
_FINGERPRINT = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key.

    Attributes:
        raw: The 32 bytes of the key.
    """

    raw: bytes

    @property
    def fingerprint(self) -> str:
        """Return ``sha256:`` and 64 hex digits of the key's digest."""
        return f"sha256:{hashlib.sha256(self.raw).hexdigest()}"


def make_key(path: Path) -> PublicKey:
    """Write a new private key to ``path``, for its owner only, and the public one to ``path.pub``.

    Args:
        path: The new file; an existing one is never replaced.

    Raises:
        SourceError: It exists, or cannot be written.
    """
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    secret = private.private_bytes(
        forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()
    )
    public = private.public_key().public_bytes(
        forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_new_file(path, secret, mode=0o600)
        write_new_file(path.with_name(f"{path.name}.pub"), public, mode=0o644)
    except OSError as error:
        message = f"cannot write the key {path.name!r}: {error.strerror or error}."
        hint = "name a new file in a folder that you can write, with --out."
        raise SourceError(message, where=path, hint=hint) from error
    return _public(private)


def _public(private: Ed25519PrivateKey) -> PublicKey:
    return PublicKey(private.public_key().public_bytes_raw())


def read_private_key(path: Path) -> tuple[Ed25519PrivateKey, PublicKey]:
    """Return the private key of a file that `make_key` wrote, with its public key.

    Args:
        path: A PEM file, readable by its owner only.

    Raises:
        SourceError: It cannot be read, is not such a key, or others can read it.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _read_key(path)
    mode = path.stat().st_mode
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        message = f"cannot sign with {path.name!r}: other users may read it "
        message += f"(mode {stat.S_IMODE(mode):o}), expected 600."
        raise SourceError(message, where=path, hint=f"chmod 600 {path}")
    try:
        key: Any = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:  # encrypted ones raise TypeError
        raise _no_key(path, "private") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "private")
    return key, _public(key)


def read_fingerprint(text: str) -> str:
    """Return the fingerprint of a public key, given as such or as the file of the key.

    Args:
        text: ``sha256:`` and 64 hex digits, the digits alone, or the path of a ``.pub`` file.

    Raises:
        SourceError: It is neither.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    digits = _FINGERPRINT.fullmatch(text.strip())
    if digits is not None:
        return f"sha256:{digits[1].lower()}"
    path = expand_home(text)
    data = _read_key(path)
    try:
        key: Any = load_pem_public_key(data)
    except ValueError as error:
        raise _no_key(path, "public") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path, "public")
    return PublicKey(key.public_bytes_raw()).fingerprint


def _read_key(path: Path) -> bytes:
    try:
        return read_file(path, _MOST_PEM_BYTES)
    except (OSError, DocumentError) as error:
        message = f"cannot read the key {str(path)!r}: {reason_of(error)}."
        hint = "give the file of a key, or sha256: and the 64 hex digits of its fingerprint."
        raise SourceError(message, where="--key", hint=hint) from error


def _no_key(path: Path, kind: str) -> SourceError:
    message = f"cannot use the key {path.name!r}: expected a {kind} ed25519 key in PEM form, "
    message += "without a password."
    hint = "zoo source key new --out FILE writes FILE, which signs, and FILE.pub, which is given "
    hint += "to users."
    return SourceError(message, where=path, hint=hint)


def sign(data: bytes, private: Ed25519PrivateKey) -> bytes:
    """Return the file with the signature of some bytes.

    Args:
        data: The bytes of the index.
        private: The key of its publisher.
    """
    signature = {
        "format": _FORMAT,
        "algorithm": _ALGORITHM,
        "key": base64.b64encode(_public(private).raw).decode(),
        "signature": base64.b64encode(private.sign(data)).decode(),
    }
    return f"{json.dumps(signature, indent=1)}\n".encode()


def verify(data: bytes, signature: bytes, where: str) -> PublicKey:
    """Return the key that signed some bytes.

    Args:
        data: The bytes of the index.
        signature: The bytes of its signature's file.
        where: Address of the index, for messages.

    Raises:
        SourceError: The signature is malformed, or is not of these bytes.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key, found = _read_signature(signature)
    except DocumentError as error:
        message = f"cannot trust the index: its signature cannot be read: {reason_of(error)}."
        hint = "tell its publisher; zoo publish --source DIR --key FILE signs an index."
        raise SourceError(message, where=f"{where}{SIGNATURE_SUFFIX}", hint=hint) from error
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(found, data)
    except (InvalidSignature, ValueError) as error:
        message = "cannot trust the index: the signature beside it is not of these bytes."
        hint = "try again later, in case it is being uploaded; else tell its publisher."
        raise SourceError(message, where=where, hint=hint) from error
    return key


def _read_signature(signature: bytes) -> tuple[PublicKey, bytes]:
    fields = Fields(parse_json(signature, SIGNATURE_LIMITS))
    if fields.whole("format") != _FORMAT:
        fields.fail("format", f"{_FORMAT}; update zoo")
    fields.choice("algorithm", [_ALGORITHM])
    key, found = (
        _decoded(fields, "key", _KEY_BYTES),
        _decoded(fields, "signature", _SIGNATURE_BYTES),
    )
    fields.done()
    return PublicKey(key), found


def _decoded(fields: Fields, key: str, size_bytes: int) -> bytes:
    wanted = f"{size_bytes} bytes in base64"
    try:
        value = base64.b64decode(fields.text(key, wanted=wanted), validate=True)
    except (binascii.Error, ValueError) as error:
        if isinstance(error, DocumentError):
            raise
        fields.fail(key, wanted)
    if len(value) != size_bytes:
        fields.fail(key, wanted)
    return value
