"""Two who ask at the same moment: one is served, the other hears why not, whoever was first."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from aggregates.errors import AlreadyExists, DomainError, InUse, NotFound
from aggregates.host import HostConnected
from aggregates.saga import RunState
from engine.intents.host import AddHost
from engine.intents.network import RemoveNetwork
from engine.intents.offering import DeleteOffering
from engine.intents.record import CreateRecord, RemoveRecord, UpdateRecord
from engine.intents.storage_pool import AddStoragePool
from engine.intents.vm import CreateVm, DeployVm
from engine.intents.vm_life import ScaleVm
from engine.sagas.host_add import add_host
from engine.sagas.vm_scale import scale_vm
from projections.disk_offering import disk_offerings
from projections.network import networks
from projections.service_offering import service_offerings
from projections.vm import vms
from projections.volume import volumes
from tests.sagas.examples.vm_life import growing
from tests.sagas.judge import judge
from tests.sagas.rig import Rig, new_sim, rig
from tests.sagas.seed import CLUSTER, GIB, NETWORK, OFFERING, ZONE, deploy, named, running, seed
from tests.sagas.seed import POD as POD_ID

POD = {
    "zone_id": ZONE,
    "gateway": "192.0.2.1",
    "netmask": "255.255.255.0",
    "start_ip": "192.0.2.30",
}


def pod(name: str) -> CreateRecord:
    return CreateRecord(kind="pod", id=uuid4(), fields={**POD, "name": name})


async def outcomes(r: Rig, *asks: object) -> list[object]:
    deciding = (r.engine.decide(ask, r.by) for ask in asks)
    return list(await asyncio.gather(*deciding, return_exceptions=True))


async def test_of_many_with_one_name_one_is_made(tmp_path: Path) -> None:
    async with rig(tmp_path, new_sim()) as r:
        await seed(r)
        said = await outcomes(r, *(pod("twin") for _ in range(20)))
        assert sum(one is None for one in said) == 1
        assert sum(isinstance(one, AlreadyExists) for one in said) == 19
        assert [row.name for row in r.cloud.table("pod")].count("twin") == 1


async def test_of_two_that_take_one_name_by_renaming_one_gets_it(tmp_path: Path) -> None:
    async with rig(tmp_path, new_sim()) as r:
        await seed(r)
        first, second = pod("a"), pod("b")
        await outcomes(r, first, second)
        renames = [UpdateRecord(kind="pod", id=p.id, fields={"name": "c"}) for p in (first, second)]
        said = await outcomes(r, *renames)
        assert sorted(type(one).__name__ for one in said) == ["AlreadyExists", "NoneType"]


async def test_a_name_is_free_again_once_its_bearer_is_gone(tmp_path: Path) -> None:
    async with rig(tmp_path, new_sim()) as r:
        await seed(r)
        for _ in range(3):
            ask = pod("again")
            await r.engine.decide(ask, r.by)
            await r.engine.decide(RemoveRecord(kind="pod", id=ask.id), r.by)
        assert "again" not in [row.name for row in r.cloud.table("pod")]


async def test_of_many_hosts_with_one_url_one_is_added(tmp_path: Path) -> None:
    async with rig(tmp_path, new_sim()) as r:
        await seed(r)
        said = await jobs(r, *(new_host(f"h{n}", "sim://twin") for n in range(5)))
        assert sorted(said) == [*["AlreadyExists"] * 4, "Succeeded"]
        await judge(r)


async def test_of_two_hosts_that_are_one_machine_one_is_added(tmp_path: Path) -> None:
    """Both answer at the same moment, so neither is known when the other is looked for."""
    async with rig(tmp_path, new_sim()) as r:
        await seed(r)
        asks = [new_host(f"h{n}", f"sim://twin{n}") for n in range(2)]
        met = asyncio.Barrier(2)

        async def connect(run: Any) -> HostConnected:
            facts: HostConnected = await real(run)
            await met.wait()
            return replace(facts, hardware_id="the same")

        step = next(one for one in add_host.steps if one.name == "connect")
        real, step.do = step.do, connect
        try:
            said = await jobs(r, *asks)
        finally:
            step.do = real
        assert sorted(said) == ["AlreadyExists", "Succeeded"]
        await judge(r)


async def test_of_many_pools_with_one_name_one_is_added(tmp_path: Path) -> None:
    async with rig(tmp_path, new_sim()) as r:
        await seed(r)
        where: dict[str, Any] = {"zone_id": ZONE, "pod_id": POD_ID, "cluster_id": CLUSTER}
        asks = [
            AddStoragePool(id=uuid4(), name="p2", url=f"sim://p{n}", scope="CLUSTER", **where)
            for n in range(5)
        ]
        said = await jobs(r, *asks)
        assert sorted(said) == [*["AlreadyExists"] * 4, "Succeeded"]


def new_host(name: str, url: str) -> AddHost:
    return AddHost(
        id=uuid4(),
        name=name,
        url=url,
        hypervisor="Simulator",
        zone_id=ZONE,
        pod_id=POD_ID,
        cluster_id=CLUSTER,
    )


async def jobs(r: Rig, *asks: object) -> list[str]:
    """How each job ended, or what refused it."""
    ended: list[Any] = await asyncio.gather(*(r.run(ask) for ask in asks), return_exceptions=True)
    return [
        type(one).__name__ if isinstance(one, Exception) else one.error or str(one.state)
        for one in ended
    ]


async def test_nothing_is_made_on_top_of_what_goes_away(tmp_path: Path) -> None:
    async with rig(tmp_path, new_sim()) as r:
        await seed(r)
        dns = {"dns1": "192.0.2.1", "internal_dns1": "192.0.2.1"}
        zone = {"name": "z2", "network_type": "Advanced", **dns}
        for turn in range(10):
            ask = CreateRecord(kind="zone", id=uuid4(), fields={**zone, "name": f"z{turn + 2}"})
            await r.engine.decide(ask, r.by)
            on_top = CreateRecord(
                kind="pod", id=uuid4(), fields={**POD, "name": "p", "zone_id": ask.id}
            )
            pair = [on_top, RemoveRecord(kind="zone", id=ask.id)]
            made, removed = await outcomes(r, *(pair if turn % 2 else pair[::-1]))
            if turn % 2 == 0:
                made, removed = removed, made
            assert (made is None) != (removed is None), (made, removed)
            assert isinstance(made or removed, (InUse, NotFound))


@pytest.mark.parametrize("ask", [deploy(), CreateVm(deploy=deploy())], ids=["started", "not"])
@pytest.mark.parametrize("deploy_first", [True, False])
async def test_a_guest_is_on_no_network_that_is_gone(
    tmp_path: Path, deploy_first: bool, ask: object
) -> None:
    async with rig(tmp_path, new_sim()) as r:
        await seed(r)

        async def deployed() -> object:
            return await r.run(ask)

        async def removed() -> object:
            return await r.engine.decide(RemoveNetwork(network_id=NETWORK), r.by)

        work = [deployed(), removed()] if deploy_first else [removed(), deployed()]
        said = await asyncio.gather(*work, return_exceptions=True)
        refused = [
            one
            for one in said
            if isinstance(one, DomainError) or getattr(one, "state", "") == RunState.FAILED
        ]
        assert len(refused) == 1, said
        cards = {nic.network_id for vm in r.cloud[vms] for nic in vm.nics}
        assert cards <= {row.id for row in r.cloud[networks]}
        await judge(r)


def with_data(offering_id: UUID) -> DeployVm:
    """A guest whose further disk is of that offering."""
    ask = deploy()
    disks = [ask.disks[0], replace(ask.disks[1], offering_id=offering_id)]
    return replace(ask, disks=disks)


@pytest.mark.parametrize("kind", ["service_offering", "disk_offering"])
@pytest.mark.parametrize("deploy_first", [True, False])
async def test_a_guest_is_of_no_offering_that_is_gone(
    tmp_path: Path, deploy_first: bool, kind: str
) -> None:
    """It is refused, or its offering stays for it, taken off the list."""
    async with rig(tmp_path, new_sim()) as r:
        await seed(r)
        data = named("data offering")
        fields = {"name": "data", "size_bytes": GIB}
        await r.engine.decide(CreateRecord(kind="disk_offering", id=data, fields=fields), r.by)
        gone = {"service_offering": OFFERING, "disk_offering": data}[kind]

        async def deployed() -> object:
            return await r.run(with_data(data))

        async def removed() -> object:
            return await r.engine.decide(DeleteOffering(kind=kind, id=gone), r.by)

        work = [deployed(), removed()] if deploy_first else [removed(), deployed()]
        await asyncio.gather(*work, return_exceptions=True)
        _nothing_is_of_what_is_gone(r)
        assert bool(r.cloud[vms]) is (gone in r.cloud.table(kind))
        await judge(r)


@pytest.mark.parametrize("scale_first", [True, False])
@pytest.mark.parametrize("late", [True, False])
async def test_a_guest_grows_into_no_offering_that_is_gone(
    tmp_path: Path, scale_first: bool, late: bool
) -> None:
    """It is named once the guest has grown, and asked for long before."""
    async with rig(tmp_path, new_sim()) as r:
        await seed(r)
        vm_id, large = await running(r), named("large")
        fields = {"name": "large", "cpu_count": 2, "cpu_mhz": 500, "memory_mib": 1024}
        await r.engine.decide(CreateRecord(kind="service_offering", id=large, fields=fields), r.by)
        await growing(r)
        ask = ScaleVm(
            vm_id=vm_id, service_offering_id=large, cpu_count=2, cpu_mhz=500, memory_mib=1024
        )
        drop = DeleteOffering(kind="service_offering", id=large)
        if late:
            step = next(one for one in scale_vm.steps if one.name == "grow_guest")
            real = step.do

            async def grow(run: Any) -> None:
                await r.engine.decide(drop, r.by)
                await real(run)

            step.do = grow
            try:
                await r.run(ask)
            finally:
                step.do = real
        else:
            work = [r.run(ask), r.engine.decide(drop, r.by)]
            await asyncio.gather(*(work if scale_first else work[::-1]), return_exceptions=True)
        _nothing_is_of_what_is_gone(r)
        await judge(r)


def _nothing_is_of_what_is_gone(r: Rig) -> None:
    sizes, disks = r.cloud[service_offerings], r.cloud[disk_offerings]
    assert not [vm.name for vm in r.cloud[vms] if vm.service_offering_id not in sizes]
    named_by = [volume.offering_id for volume in r.cloud[volumes]]
    assert not [one for one in named_by if one is not None and one not in disks]
