"""The last line of a file that is signed (Ed25519, RFC 8032): a struct with a field `signature`."""

from __future__ import annotations

from typing import Any, ClassVar, Self, cast

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


class Signed:
    """`SIGNED_AS` says what is signed, so that one kind of line cannot stand in for another."""

    __slots__ = ()
    SIGNED_AS: ClassVar[bytes]

    def signed_bytes(self) -> bytes:
        return self.SIGNED_AS + msgspec.json.encode(self._with(""))

    def signed(self, key: Ed25519PrivateKey) -> Self:
        return self._with(key.sign(self.signed_bytes()).hex())

    def signed_by(self, key: Ed25519PublicKey) -> bool:
        try:
            key.verify(bytes.fromhex(cast(Any, self).signature), self.signed_bytes())
        except (InvalidSignature, ValueError):
            return False
        return True

    def _with(self, signature: str) -> Self:
        return cast(Self, msgspec.structs.replace(cast(Any, self), signature=signature))
