"""What the API is given: the engine, and through it the sealed store (`api.caller.Engine`)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

from aggregates.errors import Busy, DomainError, NotAllowed, NotFound
from aggregates.saga import SagaRun
from api.caller import JobStep, ServerStatus
from drivers.contract.compute import HostAddress
from engine.engine import Engine
from engine.genesis import NO_PASSWORD
from engine.intents import By, Job
from engine.intents.adopt import FoundElsewhere, FoundGuest
from engine.intents.placement import ExplainPlacement, Placement
from engine.intents.webhook import SendWebhook, Sent
from engine.log import LogUnavailable
from engine.vault import Vault
from engine.webhooks import reach_of, send
from engine.world import World
from projections.cloud import Cloud
from projections.saga import RunState, saga_runs
from projections.setting import KNOWN, number_of, value_of
from projections.user import users
from projections.vm import vms
from sagastack import looks, placing
from sagastack.status import server_status
from sagastack.strangers import strangers, strangers_at

T = TypeVar("T")
# How long a request waits for another's job; usual clients give up after ten seconds.
BUSY_S = 8.0
# The reference of a key's secret is read at each request that the key signs.
_ref = lru_cache(maxsize=10_000)(UUID)


class Face:
    """Everything that a command may cause, in one place; nothing else of the engine shows."""

    def __init__(self, engine: Engine, vault: Vault, world: World) -> None:
        self._engine, self._vault, self._world = engine, vault, world
        self.listens_at = ""
        self.is_certain: Callable[[], bool] = lambda: True
        self.on_read = engine.runner.turns.read
        self.on_job: Callable[[UUID], None] = lambda job_id: None
        self.store_url = ""
        self.started_at_ms = 0

    @property
    def base_url(self) -> str:
        """By the setting endpoint.url, or where the server listens if that was never set."""
        said = value_of(self.cloud, "endpoint.url")
        if said == KNOWN["endpoint.url"].default and self.listens_at:
            return self.listens_at
        return said.removesuffix("/").removesuffix("/api").removesuffix("/client")

    @property
    def cloud(self) -> Cloud:
        return self._engine.cloud

    async def decide(self, intent: object, by: By) -> Any:
        return await self._patiently(lambda: self._engine.decide(intent, by))

    async def submit(self, intent: object, by: By, *, run_id: UUID | None = None) -> Job:
        job = await self._patiently(lambda: self._engine.submit(intent, by, run_id=run_id))
        self.on_job(job.id)
        return job

    async def perform(self, intent: object, by: By) -> Job:
        job = await self._patiently(lambda: self._engine.perform(intent, by))
        self.on_job(job.id)
        return job

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Wait for the job that has the thing, for a while: clients that change several parts of a
        guest side by side are used to having their turn."""
        until_s = asyncio.get_running_loop().time() + BUSY_S
        while True:
            try:
                return await self._certainly(ask)
            except Busy as busy:
                row = self.cloud[saga_runs].get(busy.job_id)
                if row is None or row.state.is_over or row.state is RunState.PARKED:
                    raise
                try:
                    async with asyncio.timeout_at(until_s):
                        await self._engine.runner.wait(row.id)
                except TimeoutError:
                    raise busy from None

    async def _certainly(self, ask: Callable[[], Awaitable[T]]) -> T:
        """A rule that refuses by what is known here refuses for certain only if that is all.

        Who cannot reach the log does not know what others have freed, ended or renamed meanwhile.
        """
        try:
            return await ask()
        except Busy:
            raise
        except DomainError as refused:
            if self.is_certain():
                raise
            raise LogUnavailable(
                f"this controller cannot reach the log now; by what it knows: {refused}; ask again"
            ) from refused

    async def plan(self, intent: object, by: By, *, begun: bool = False) -> list[str]:
        return await self._engine.plan(intent, by, begun=begun)

    async def at(self, at_ms: int) -> Cloud:
        return await self._engine.at(at_ms)

    async def job(self, job_id: UUID) -> SagaRun | None:
        try:
            return await self._engine.job(job_id)
        except NotFound:
            return None

    def steps(self, job: Any) -> list[JobStep]:
        return looks.steps_of(job)

    def status(self) -> ServerStatus:
        return server_status(
            self.store_url,
            started_at_ms=self.started_at_ms,
            position=self.cloud.position,
            tasks=len(asyncio.all_tasks()),
        )

    async def explain(self, ask: ExplainPlacement) -> Placement:
        return placing.explain(self.cloud, self._world.allocator, ask)

    def kinds(self) -> list[str]:
        return self._world.hosts.kinds()

    async def discover(
        self, hypervisor: str, url: str, username: str, password: str
    ) -> tuple[str, ...]:
        """The URLs of the hosts that an address stands for."""
        address = HostAddress(url=url, username=username, password=password)
        return tuple(one.url for one in await self._world.hosts.discover(hypervisor, address))

    async def console(self, vm_id: UUID) -> Any:
        """Where a running guest can be looked at."""
        vm = self.cloud[vms].get(vm_id)
        if vm is None or vm.host_id is None:
            raise NotFound(f"virtual machine {vm_id} does not run: start it to have a console")
        session = await self._world.hosts.session(vm.host_id)
        return await session.console(vm_id)

    async def send_webhook(self, ask: SendWebhook) -> Sent:
        if self._engine.is_rehearsal:
            raise NotAllowed("this cloud is a rehearsal: it tells nobody outside of anything")
        timeout_s = number_of(self.cloud, "webhook.delivery.timeout")
        reach = reach_of(self.cloud)
        return await send(ask, reach, self._world.clock, timeout_s=timeout_s)

    async def strangers(self, cluster_id: UUID) -> list[FoundGuest]:
        """The guests of a cluster's hosts that no controller made."""
        return await strangers(self.cloud, self._world.hosts, cluster_id)

    async def strangers_at(
        self, hypervisor: str, url: str, username: str, password: str
    ) -> list[FoundElsewhere]:
        """The guests on the hosts that an address stands for which no controller made."""
        address = HostAddress(url=url, username=username, password=password)
        return await strangers_at(self.cloud, self._world.hosts, hypervisor, address)

    async def check_password(self, user_id: UUID | None, password: str) -> bool:
        user = self.cloud[users].get(user_id)
        ref = UUID(user.password_ref) if user is not None else NO_PASSWORD
        return await self._vault.check_password(ref, password) and user is not None

    async def secret(self, ref: str) -> str:
        return await self._vault.get(_ref(ref))

    async def seal(self, secret: str, key: UUID | None = None) -> str:
        return str(await self._vault.put(secret, key=key))

    async def shred(self, ref: str) -> bool:
        return await self._vault.shred(UUID(ref))

    async def seal_password(self, password: str) -> str:
        return str(await self._vault.hash_password(password))
