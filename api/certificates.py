"""What a certificate must be before it is kept: itself, its key, and who signed it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from api.errors import InvalidValue

CHAIN_MAX = 10


@dataclass(frozen=True, slots=True)
class Checked:
    """A certificate that may be kept, in its usual form. The key is for the sealed store alone."""

    certificate: str
    chain: str
    key: str
    fingerprint: str
    ends_at_ms: int


def checked(certificate: str, key: str, chain: str, password: str, now_ms: int) -> Checked:
    """Read all three, and hold each to the others."""
    cert = _certificates(certificate, "certificate")
    if len(cert) != 1:
        raise InvalidValue("certificate is one certificate; those that signed it are certchain")
    leaf, above = cert[0], _certificates(chain, "certchain") if chain else []
    private = _key(key, password)
    if _public(private.public_key()) != _public(leaf.public_key()):
        raise InvalidValue("privatekey is not the key of this certificate: give the one that is")
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        raise InvalidValue(
            f"certificate is valid from {leaf.not_valid_before_utc:%Y-%m-%d} to "
            f"{leaf.not_valid_after_utc:%Y-%m-%d}, which is not now"
        )
    _signed([leaf, *above])
    return Checked(
        certificate=_pem([leaf]),
        chain=_pem(above),
        key=private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(":").upper(),
        ends_at_ms=int(leaf.not_valid_after_utc.timestamp() * 1000),
    )


def _certificates(text: str, name: str) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise InvalidValue(f"{name} is no certificate in PEM form (BEGIN CERTIFICATE)") from None
    if len(found) > CHAIN_MAX:
        raise InvalidValue(f"{name} has {len(found)} certificates: at most {CHAIN_MAX} are kept")
    return found


def _key(text: str, password: str) -> PrivateKeyTypes:
    secret = password.encode() or None
    try:
        return serialization.load_pem_private_key(text.encode(), secret)
    except TypeError:
        said = "is not encrypted: leave password out" if secret else "is encrypted: give password"
        raise InvalidValue(f"privatekey {said}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidValue(
            "privatekey is no private key in PEM form, or password is not its password"
        ) from None


def _public(key: object) -> bytes:
    """A public key as bytes that can be compared."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    made: bytes = key.public_bytes(serialization.Encoding.DER, form)  # type: ignore[attr-defined]
    return made


def _signed(chain: list[x509.Certificate]) -> None:
    """Each is signed by the next one."""
    for one, issuer in pairwise(chain):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            raise InvalidValue(
                f"certchain does not hold: {one.subject.rfc4514_string()} is not signed by "
                f"{issuer.subject.rfc4514_string()}; order them from the certificate upwards"
            ) from None


def _pem(certificates: list[x509.Certificate]) -> str:
    made = (one.public_bytes(serialization.Encoding.PEM).decode() for one in certificates)
    return "".join(made)
