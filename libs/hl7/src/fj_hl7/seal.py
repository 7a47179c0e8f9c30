"""Messages at rest: sealed by AES-256-GCM under a key of the installation. A database alone tells nothing."""

import base64
import binascii
import hashlib
import os
import zlib
from collections.abc import Sequence
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEY_BYTES: Final = 32
_NAME_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_PLAIN: Final = b"\x00"
_DEFLATED: Final = b"\x01"
# Below, nothing is gained; above, deflating would hold the event loop, and the row is stored out of line anyway.
_WORTH_DEFLATING: Final = range(512, 64 * 1024)


class CannotOpen(Exception):
    """Sealed under a key that is not known here, or damaged."""


class Seal:
    """Seals with the first key and opens with any, so that keys can be changed."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != _KEY_BYTES for key in keys):
            raise ValueError("there must be keys, each of 32 bytes")
        self._ciphers = {hashlib.sha256(key).digest()[:_NAME_BYTES]: AESGCM(key) for key in keys}
        self._name, self._cipher = next(iter(self._ciphers.items()))

    @classmethod
    def parse(cls, text: str) -> Self:
        """From keys in base64, separated by commas. Raises ValueError, without any of it."""
        try:
            return cls([base64.b64decode(key.strip(), validate=True) for key in text.split(",")])
        except (binascii.Error, ValueError):
            raise ValueError("must be keys of 32 bytes in base64, separated by commas") from None

    def close(self, raw: bytes, about: bytes) -> bytes:
        """`raw` sealed; it opens only with the same `about`, which is not secret."""
        deflated = len(raw) in _WORTH_DEFLATING
        head = self._name + (_DEFLATED if deflated else _PLAIN)
        nonce = os.urandom(_NONCE_BYTES)
        content = zlib.compress(raw, 1) if deflated else raw
        return head + nonce + self._cipher.encrypt(nonce, content, head + about)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """What was sealed. Raises CannotOpen."""
        head, rest = sealed[: _NAME_BYTES + 1], sealed[_NAME_BYTES + 1 :]
        cipher = self._ciphers.get(head[:_NAME_BYTES])
        if cipher is None:
            raise CannotOpen("sealed under a key that is not known here")
        try:
            content = cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], head + about)
        except InvalidTag:
            raise CannotOpen("damaged, or of another message") from None
        return zlib.decompress(content) if head.endswith(_DEFLATED) else content
