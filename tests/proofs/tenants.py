"""A log of several tenants' events, mixed, under many small seals."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

import aggregates.account
import aggregates.api_key
import aggregates.disk_offering
import aggregates.ssh_key_pair
import aggregates.user  # noqa: F401
from aggregates.base import Event
from aggregates.record import RECORDS
from aggregates.volume import VolumeAssigned
from engine.log import Append, Log, Seal, Sealer, Stored, Unit
from sagastack.backups.lines import LinesWriter, read_lines
from sagastack.proofs import shapes
from sagastack.proofs.shapes import Line, Own, Proof, Sealed, Stated

DOMAIN, ROLE = UUID(int=1), UUID(int=2)
Change = Callable[[list[Line]], list[Line]]


def create(kind: str, **fields: Any) -> Event:
    return RECORDS[kind].create(fields)


@dataclass
class Tenants:
    """`own` is what each account must be shown, by position, known from how it was written."""

    log: Log
    home: Path
    url: str
    accounts: list[UUID]
    own: dict[UUID, list[int]] = field(default_factory=dict)

    async def write(self, owner: UUID | None, stream: UUID, expected: int, event: Event) -> None:
        append = Append(stream, expected, (event,))
        (recorded,) = await self.log.append(Unit((append,), account=owner))
        if owner is not None:
            self.own.setdefault(owner, []).append(recorded.position)

    async def seal(self) -> None:
        sealer = await Sealer.open(self.log, self.home, now_ms=lambda: 5)
        await sealer.close()

    async def live(self, seed: int, rounds: int) -> None:
        """Each round is one tenant's thing made, changed, and perhaps removed; or nobody's."""
        dice = random.Random(seed)
        alive: list[tuple[UUID, UUID, int]] = []
        for n in range(rounds):
            owner = dice.choice(self.accounts)
            if dice.random() < 0.3:
                event = create("disk_offering", name=f"d{seed}-{n}", size_bytes=n)
                await self.write(None, uuid4(), 0, event)
            elif alive and dice.random() < 0.6:
                at = dice.randrange(len(alive))
                whose, stream, version = alive[at]
                if dice.random() < 0.3:
                    del alive[at]
                    await self.write(whose, stream, version, RECORDS["ssh_key_pair"].removed())
                else:
                    alive[at] = (whose, stream, version + 1)
                    changed: Any = RECORDS["ssh_key_pair"].updated
                    event = changed(changed={"is_protected": True})
                    await self.write(whose, stream, version, event)
            else:
                stream = uuid4()
                pair = {"name": f"k{n}", "public_key": "ssh-ed25519 A", "fingerprint": "x"}
                event = create("ssh_key_pair", account_id=owner, domain_id=DOMAIN, **pair)
                await self.write(owner, stream, 0, event)
                alive.append((owner, stream, 1))
            if dice.random() < 0.2:
                await self.seal()
        await self.seal()


async def tenants(url: str, home: Path, count: int = 3) -> Tenants:
    """Accounts with a user and a key each."""
    log = await Log.open(url, now_ms=lambda: 1)
    made = Tenants(log, home, url, [uuid4() for _ in range(count)])
    for account in made.accounts:
        person, name = uuid4(), str(account)
        event = create("account", name=name, domain_id=DOMAIN, role_id=ROLE, role_type="User")
        await made.write(account, account, 0, event)
        event = create("user", name=name, account_id=account, domain_id=DOMAIN, password_ref="p")
        await made.write(account, person, 0, event)
        event = create("api_key", key=name, user_id=person, secret_ref="s")
        await made.write(account, uuid4(), 0, event)
    return made


def hand_over(to: UUID) -> Event:
    return VolumeAssigned(account_id=to, domain_id=DOMAIN)


def lines_of(path: Path) -> list[Line]:
    return [shapes.decode(line) for line in read_lines(path)]


def rewritten(path: Path, change: Change, signer: Ed25519PrivateKey | None = None) -> Path:
    """The proof as a forger would write it: whole again, its statement made to fit what it can.

    With a `signer` everything that has a signature is signed again by that key.
    """
    lines = change(lines_of(path))
    out = path.with_name(f"forged-{path.name}")
    out.unlink(missing_ok=True)
    chain: dict[int, Seal] = {}
    with LinesWriter(out) as file:
        for line in lines:
            if signer is not None:
                line = _signed(line, signer, chain)
            if isinstance(line, Stated):
                line = replace(line, lines=file.lines_hash())
                line = line.signed(signer) if signer is not None else line
            file.add(shapes.encode(line))
        file.close()
    return out


def _signed(line: Line, signer: Ed25519PrivateKey, chain: dict[int, Seal]) -> Line:
    if isinstance(line, Proof):
        return replace(line, public_key=signer.public_key().public_bytes_raw().hex())
    if isinstance(line, Sealed | Stated):
        seal = line.seal
        before = chain.get(seal.number - 1)
        if before is not None:
            seal = replace(seal, previous=before.hash())
        chain[seal.number] = resealed(seal, signer)
        return replace(line, seal=chain[seal.number])
    return line


def resealed(seal: Seal, signer: Ed25519PrivateKey) -> Seal:
    bare = replace(seal, signature="")
    return replace(bare, signature=signer.sign(bare.signed_bytes()).hex())


def events(lines: list[Line]) -> list[int]:
    """Where the events are among the lines."""
    return [n for n, line in enumerate(lines) if isinstance(line, Own)]


def stored(lines: list[Line]) -> list[Stored]:
    return [line.stored() for line in lines if isinstance(line, Own)]
