"""What a kind of hypervisor cannot do is refused before anything starts, with the kind's reason.

The same word stands in the driver's `Capabilities.cannot`, in `sagastack drivers`, in
listHypervisorCapabilities and in what a dryrun answers, since a dryrun decides like the real run.
"""

from __future__ import annotations

from typing import Any

from aggregates.errors import NotAllowed
from aggregates.vm import Vm
from aggregates.volume import Volume
from engine.hardware import hardware
from engine.intents.vm import DeployVm
from engine.saga import Run
from projections.service_offering import service_offerings
from projections.storage_pool import storage_pools
from projections.vm import vms


def demand(run: Run[Any], hypervisor: str, *whats: str) -> None:
    """Refuse unless hosts of this kind do all of `whats`: verbs of the contract, or features."""
    capabilities = run.world.hosts.capabilities(hypervisor)
    for what in whats:
        if (why := capabilities.why_not(what)) is not None:
            raise NotAllowed(f"{hypervisor} hosts: {why}")


def demand_of_disk(run: Run[Any], volume: Volume, *whats: str) -> None:
    """The same of the hosts that a volume is for; one that is for any kind is refused nothing."""
    vm, pool_id = run.cloud[vms].get(volume.vm_id), volume.pool_id
    if vm is not None:
        demand(run, vm.hypervisor, *whats)
    elif pool_id is not None and (kind := run.cloud[storage_pools][pool_id].hypervisor) != "Any":
        demand(run, kind, *whats)


def demand_alive(run: Run[Any], vm: Vm, *whats: str) -> None:
    """The same of a guest's hosts, for what is done to it while it runs."""
    if vm.host_id is not None:
        demand(run, vm.hypervisor, *whats)


def demand_deploy(run: Run[Any], ask: DeployVm) -> None:
    """What a guest needs to exist there: its disks, its cards, its firmware, its disc."""
    offering = run.cloud[service_offerings].get(ask.service_offering_id)
    wanted = hardware({} if offering is None else offering.details, ask.details)
    needs = {
        "data_disks": len(ask.disks) > 1,
        "several_nics": len(ask.nics) > 1,
        "no_nics": not ask.nics,
        "iso": ask.iso_id is not None,
        "uefi": ask.boot != "bios",
        "secure_boot": "secure" in ask.boot.lower(),
        "tpm": bool(wanted.tpm),
        "cpu_model": bool(wanted.cpu_mode or wanted.cpu_model),
        "cpu_pinning": bool(wanted.cpu_pins),
        "huge_pages": bool(wanted.huge_page_kib),
        "appliances": ask.appliance is not None,
        "passthrough": bool(wanted.pci_devices),
    }
    demand(run, ask.hypervisor, *(what for what, needed in needs.items() if needed))
