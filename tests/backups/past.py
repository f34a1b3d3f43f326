"""A past to keep: commits of one to three events, at 1000 ms each, with seals and a vault."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

from engine.log import Append, Log, Sealer, Stored, Unit
from engine.vault import Vault
from sagastack.backups.restore import Restored, Wish, restore
from sagastack.backups.take import Taken, take
from tests.log.toys import made


@dataclass
class Past:
    url: str
    home: Path
    log: Log
    ms: list[int]
    secret: UUID
    commits: list[int] = field(default_factory=list)
    """The last position of each commit."""

    @classmethod
    async def open(cls, url: str, home: Path) -> Past:
        vault = await Vault.open(home / "secrets.db")
        secret = await vault.put("a secret")
        await vault.close()
        ms = [0]
        return cls(url, home, await Log.open(url, now_ms=lambda: ms[0]), ms, secret)

    async def live(self, commits: int) -> None:
        for _ in range(commits):
            self.ms[0] += 1000
            size = len(self.commits) % 3 + 1
            appends: list[Append] = [made(uuid4(), 0, f"thing {n}") for n in range(size)]
            recorded = await self.log.append(Unit(tuple(appends), action="TOY.MAKE"))
            self.commits.append(recorded[-1].position)

    async def seal(self) -> None:
        sealer = await Sealer.open(self.log, self.home, now_ms=lambda: self.ms[0])
        await sealer.close()

    async def open_anew(self) -> None:
        """As after a restart: what this process wrote is as the store has it, forged or not."""
        await self.log.close()
        self.log = await Log.open(self.url, now_ms=lambda: self.ms[0])

    async def rows(self) -> list[Stored]:
        return await self.log.read_stored(limit=10**6)

    def take(self, out: Path, since: Path | None = None) -> Taken:
        return take(self.url, self.home, out, at_ms=self.ms[0], release="test", since=since)


def wish(
    *files: Path,
    into: str,
    home: Path,
    keys: Path,
    position: int | None = None,
    at_ms: int | None = None,
    new_id: UUID | None = None,
) -> Wish:
    return Wish(
        files=files,
        into=into,
        home=home,
        seals=home,
        keys=keys,
        position=position,
        at_ms=at_ms,
        new_id=new_id,
    )


def back(wished: Wish) -> Restored:
    return restore(wished, now_ms=10**7)


async def rows_of(url: str) -> list[Stored]:
    log = await Log.open(url, now_ms=lambda: 0, read_only=True)
    try:
        return await log.read_stored(limit=10**6)
    finally:
        await log.close()
