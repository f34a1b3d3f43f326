"""A host behind libvirt's own TLS: it lets in whom its CA vouches for, and nobody else."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from drivers.contract.compute import HostAddress, Power
from drivers.contract.driver import Driver
from drivers.contract.errors import Refused, Unavailable
from drivers.libvirt.driver import make
from tests.drivers import harness_libvirt as bench
from tests.peers import libvirt as peer

pytestmark = pytest.mark.real

DAY = timedelta(days=1)
CA_NAME = "test CA"  # Every CA bears it, so that only their keys tell them apart.
NOT_KNOWN = "The certificate hasn't got a known issuer"


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA of the test's own."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        unsigned = _certificate(CA_NAME, key, issuer=key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        return cls(key, unsigned.sign(key, hashes.SHA256()))

    def vouch(self, folder: Path, role: str, address: str) -> None:
        """Write `role`'s key and certificate under the names that libvirt looks for."""
        key = ec.generate_private_key(ec.SECP256R1())
        unsigned = _certificate(role, key, issuer=self.key).add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False
        )
        signed = unsigned.sign(self.key, hashes.SHA256())
        (folder / f"{role}cert.pem").write_bytes(signed.public_bytes(Encoding.PEM))
        (folder / f"{role}key.pem").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )


def trust(folder: Path, *authorities: Authority) -> None:
    certificates = [one.certificate.public_bytes(Encoding.PEM) for one in authorities]
    (folder / "cacert.pem").write_bytes(b"".join(certificates))


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, *, issuer: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    """What every certificate has; the key identifiers tell CAs of one name apart."""
    now = datetime.now(UTC)
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    by = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, CA_NAME)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(own, critical=False)
        .add_extension(by, critical=False)
    )


@dataclass(frozen=True, slots=True)
class Secured:
    """The host, its own CA and one that it does not know."""

    host: peer.LibvirtHost
    ours: Authority
    strange: Authority

    def seen_by(self, folder: Path, *trusted: Authority, client_of: Authority) -> HostAddress:
        """The host's address for a client with such certificates."""
        trust(folder, *trusted)
        client_of.vouch(folder, "client", "127.0.0.1")
        return HostAddress(url=f"qemu+tls://{self.host.address}/system?pkipath={folder}")


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    if lacking := peer.missing():
        if os.environ.get("SAGASTACK_REQUIRE_PEERS") == "1":
            pytest.fail(f"no libvirt host here: {lacking}")
        pytest.skip(f"NOT TESTED: no libvirt host here: {lacking}")
    pki = tmp_path_factory.mktemp("pki")
    ours = Authority.new()
    trust(pki, ours)
    ours.vouch(pki, "server", peer.SECURED)
    with peer.secured(pki) as host:
        yield Secured(host, ours, Authority.new())


@pytest.fixture
async def kvm(secured: Secured, tmp_path: Path) -> AsyncIterator[Driver]:
    made = make(
        {
            "acceleration": "emulation",
            "log_dir": str(tmp_path / "serial"),
            "local_hosts": [secured.host.address],
            "connect_s": 10.0,
        }
    )
    yield made
    await made.close()


async def test_a_guest_runs_at_the_end_of_tls(
    secured: Secured, kvm: Driver, tmp_path: Path
) -> None:
    address = secured.seen_by(tmp_path, secured.ours, client_of=secured.ours)
    session = await kvm.connect(address)
    assert (await session.inspect()).memory_bytes > 0
    guest = bench.guest_spec()
    await session.start_guest(guest, key=uuid4())
    found = await session.find_guest(guest.guest_id)
    assert found is not None
    assert found.power is Power.RUNNING
    assert str(guest.guest_id) in await bench.virsh(secured.host, "list", "--uuid")
    await session.remove_guest(guest.guest_id, key=uuid4())
    assert await session.list_guests() == []


async def test_a_client_of_another_ca_is_turned_away(
    secured: Secured, kvm: Driver, tmp_path: Path
) -> None:
    """It trusts both CAs: else libvirt's client finds the fault by itself and never dials."""
    both = (secured.ours, secured.strange)
    address = secured.seen_by(tmp_path, *both, client_of=secured.strange)
    log = secured.host.root / "log" / "libvirtd.log"
    before = log.read_text().count(NOT_KNOWN)
    with pytest.raises((Refused, Unavailable), match=f"{secured.host.address}: connect: .*TLS"):
        await kvm.connect(address)
    assert log.read_text().count(NOT_KNOWN) > before, "it was not the host that refused"


async def test_a_host_of_another_ca_is_not_trusted(
    secured: Secured, kvm: Driver, tmp_path: Path
) -> None:
    address = secured.seen_by(tmp_path, secured.strange, client_of=secured.strange)
    with pytest.raises(Refused, match="Failed to verify peer's certificate"):
        await kvm.connect(address)
