"""Whether a guest may grow while it runs, and how far: settled when it starts."""

from __future__ import annotations

from aggregates.errors import NotAllowed
from aggregates.vm import Vm
from projections.cloud import Cloud
from projections.service_offering import service_offerings
from projections.setting import is_on
from projections.template import templates

SETTING = "enable.dynamic.scale.vm"
TIMES = 4


def why_not(cloud: Cloud, vm: Vm) -> str:
    """Why the guest cannot grow while it runs; empty if it can."""
    if not is_on(cloud, SETTING, vm.zone_id):
        return f"setting {SETTING} is false in its zone"
    if vm.is_scalable is False:
        return "it was deployed, or changed, not to be dynamically scalable"
    template = cloud[templates].get(vm.template_id)
    if template is None or not template.is_dynamically_scalable:
        return "its template is not marked as dynamically scalable"
    offering = cloud[service_offerings].get(vm.service_offering_id)
    if offering is not None and not offering.dynamic_scaling_enabled:
        return f"service offering {offering.name} does not allow it"
    return ""


def may_grow(cloud: Cloud, vm: Vm) -> None:
    """Refuse to let the guest grow while it runs unless all agree that it can."""
    why = why_not(cloud, vm)
    if why:
        raise NotAllowed(
            f"virtual machine {vm.name} cannot be scaled while it is Running: {why}; stop it first"
        )


def bounds(cloud: Cloud, vm: Vm) -> tuple[int, int]:
    """Cores and MiB that a host leaves room for when it starts the guest; zeros for none."""
    if why_not(cloud, vm):
        return 0, 0
    return vm.cpu_count * TIMES, vm.memory_mib * TIMES
