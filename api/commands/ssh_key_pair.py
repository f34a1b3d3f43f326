"""Commands about SSH key pairs. The private half is made, told and forgotten."""

from __future__ import annotations

import base64
import hashlib
from typing import Annotated
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.caller import Caller
from api.declare import Length, Names, Success, command
from api.errors import InvalidValue
from api.lists import list_command
from api.scope import owner_for
from api.views.ssh_key_pair import SshKeyPairView
from engine.intents.record import CreateRecord, RemoveRecord
from projections.ssh_key_pair import SshKeyPair, ssh_key_pairs


@command(
    "createSSHKeyPair",
    returns=SshKeyPairView,
    key="keypair",
    allow="ARDU",
    action="REGISTER.SSH.KEYPAIR",
)
class CreateSshKeyPair:
    """Make a key pair (Ed25519) and tell its private half, this once."""

    name: Annotated[str, "its name"]
    account: Annotated[str | None, "the account that shall own it"] = None
    domain_id: Annotated[UUID | None, "the domain of that account", Names("domain")] = None
    project_id: Annotated[UUID | None, "the project that shall own it", Names("project")] = None

    async def run(self, caller: Caller) -> SshKeyPairView:
        owner = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        key = Ed25519PrivateKey.generate()
        row = await _keep(caller, self.name, _public_text(key), owner)
        made = SshKeyPairView.of(row, caller.cloud)
        made.private_key = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        ).decode()
        return made


@command(
    "registerSSHKeyPair",
    returns=SshKeyPairView,
    key="keypair",
    allow="ARDU",
    action="REGISTER.SSH.KEYPAIR",
)
class RegisterSshKeyPair:
    """Keep the public half of a key that its owner has."""

    name: Annotated[str, "its name"]
    public_key: Annotated[str, "the public key, as in authorized_keys", Length(5120)]
    account: Annotated[str | None, "the account that shall own it"] = None
    domain_id: Annotated[UUID | None, "the domain of that account", Names("domain")] = None
    project_id: Annotated[UUID | None, "the project that shall own it", Names("project")] = None

    async def run(self, caller: Caller) -> SshKeyPair:
        owner = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        public = " ".join(self.public_key.split())
        try:
            serialization.load_ssh_public_key(public.encode())
        except (ValueError, UnsupportedAlgorithm) as wrong:
            raise InvalidValue(f"publickey is no SSH public key: {wrong}") from wrong
        return await _keep(caller, self.name, public, owner)


@command("deleteSSHKeyPair", returns=Success, allow="ARDU", action="SSH.KEYPAIR.DELETE")
class DeleteSshKeyPair:
    """Forget a key pair; guests that were given it keep it."""

    name: Annotated[str, "its name"]
    account: Annotated[str | None, "the account that owns it"] = None
    domain_id: Annotated[UUID | None, "the domain of that account", Names("domain")] = None
    project_id: Annotated[UUID | None, "the project that owns it", Names("project")] = None

    async def run(self, caller: Caller) -> None:
        account_id, _ = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        mine = caller.cloud[ssh_key_pairs].by("account_id", account_id)
        row = next((one for one in mine if one.name == self.name), None)
        if row is None:
            raise InvalidValue(f"A key pair with name '{self.name}' does not exist for the account")
        await caller.decide(RemoveRecord(kind="ssh_key_pair", id=row.id))


@list_command(
    "listSSHKeyPairs", view=SshKeyPairView, table=ssh_key_pairs, key="sshkeypair", scope="owned"
)
class ListSshKeyPairs:
    """List key pairs."""

    fingerprint: Annotated[str | None, "the one with this fingerprint"] = None


async def _keep(caller: Caller, name: str, public: str, owner: tuple[UUID, UUID]) -> SshKeyPair:
    row_id, (account_id, domain_id) = caller.new_id(), owner
    fields = {
        "name": name,
        "account_id": account_id,
        "domain_id": domain_id,
        "public_key": public,
        "fingerprint": _fingerprint(public),
    }
    await caller.decide(CreateRecord(kind="ssh_key_pair", id=row_id, fields=fields))
    return caller.cloud[ssh_key_pairs][row_id]


def _public_text(key: Ed25519PrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        .decode()
    )


def _fingerprint(public: str) -> str:
    """The MD5 form of RFC 4716, which is what clients compare."""
    blob = base64.b64decode(public.split()[1])
    return hashlib.md5(blob, usedforsecurity=False).digest().hex(":")
