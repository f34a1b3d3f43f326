"""That no row points at nothing: every id in every row names something that is there.

What a noun's fields may name that is gone, because it only tells how the row came to be, is said
here once, with the field.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from aggregates.record import RECORDS
from engine.ip_rules import addresses_of
from projections.affinity_group import affinity_groups
from projections.cloud import Cloud
from projections.instance_group import instance_groups
from projections.iso import isos
from projections.load_balancer import load_balancers
from projections.load_balancer_rule import load_balancer_rules
from projections.network import networks
from projections.port_forwarding_rule import port_forwarding_rules
from projections.project_invitation import project_invitations
from projections.project_member import project_members
from projections.public_ip_address import public_ip_addresses
from projections.saga import RunState, saga_runs
from projections.security_group import security_group_rules, security_groups
from projections.snapshot_policy import snapshot_policies
from projections.table import TABLES
from projections.template import templates
from projections.user import users
from projections.vm import vms
from projections.volume import volumes

# Told for the record: what a thing was made of or by, or where it was last.
TOLD = {
    "user_id", "template_id", "snapshot_id", "policy_id", "source_id", "last_host_id", "os_type_id",
    "password_job_id", "parent_run_id",
}  # fmt: skip
# What the field names, where its name does not say it.
NAMES = {"parent_id": "", "place_id": "", "scope_id": "", "resource_id": "", "subject_id": ""}
TOLD_OF = {
    ("snapshot", "volume_id"), ("vm", "user_data_id"), ("vm", "iso_id"),
    ("rolling_maintenance", "host_ids"),
}  # fmt: skip
NOT_LOOKED_AT = {"saga", "finding", "address_space"}


def nothing_dangles(cloud: Cloud) -> None:
    dangling = [
        f"{kind} {row.id} names {noun} {named}, which is gone"
        for kind, row, noun, named in _named(cloud)
        if named not in cloud.table(noun)
    ]
    assert not dangling, dangling
    _attached(cloud)
    _jobs(cloud)
    _rules(cloud)
    _owners(cloud)


def _named(cloud: Cloud) -> Iterator[tuple[str, Any, str, UUID]]:
    """Every id that a row gives a noun to, be it one or a list of them."""
    for kind in TABLES:
        if kind in NOT_LOOKED_AT:
            continue
        references = RECORDS[kind].references if kind in RECORDS else {}
        for row in cloud.table(kind):
            for field in row.__struct_fields__:
                if field in TOLD or (kind, field) in TOLD_OF:
                    continue
                noun = references.get(field) or _named_by(kind, field)
                if noun not in TABLES:
                    continue
                value = getattr(row, field)
                for one in value if isinstance(value, list | tuple) else (value,):
                    if isinstance(one, UUID):
                        yield kind, row, noun, one
    for image in (*cloud[templates], *cloud[isos]):
        for copy in image.copies:
            if copy.zone_id is not None:
                yield image.KIND, image, "zone", copy.zone_id
    for vm in cloud[vms]:
        for nic in vm.nics:
            yield "vm", vm, "network", nic.network_id
    for rule in (*cloud[load_balancer_rules], *cloud[load_balancers]):
        for member in rule.members:
            yield rule.KIND, rule, "vm", member.vm_id


def _named_by(kind: str, field: str) -> str:
    if field == "offering_id":
        return "disk_offering" if kind == "volume" else f"{kind}_offering"
    return NAMES.get(field, _noun(field))


def _noun(field: str) -> str:
    return field.removesuffix("s").removesuffix("_id") if "_id" in field else ""


def _attached(cloud: Cloud) -> None:
    """What hangs on a thing goes with it."""
    for kind in ("tag", "annotation", "resource_detail", "resource_icon"):
        for row in cloud.table(kind):
            there = row.resource_id in cloud.table(row.kind)
            assert there, f"{kind} {row.id} hangs on {row.kind} {row.resource_id}, which is gone"


def _jobs(cloud: Cloud) -> None:
    """Whatever is kept by a job is kept by one that somebody can see and mend."""
    for kind in TABLES:
        for row in cloud.table(kind):
            job_id = getattr(row, "job_id", None)
            if job_id is not None and kind not in NOT_LOOKED_AT:
                job = cloud[saga_runs].get(job_id)
                over = job is None or job.state.is_over
                assert not over, f"{kind} {row.id} is kept by job {job_id}, which is over"
    for row in cloud[saga_runs].by("state", RunState.PARKED):
        told = row.failed_step and row.error and row.error_text
        assert told, f"job {row.id} is parked and does not say why"


def _rules(cloud: Cloud) -> None:
    """A rule leads to an address that its guest has, on a network that the guest is on."""
    leads = [(r, r.vm_id, r.network_id, r.vm_ip) for r in cloud[port_forwarding_rules]]
    leads += [(a, a.vm_id, a.vm_network_id, a.vm_ip) for a in cloud[public_ip_addresses] if a.vm_id]
    for balancer in (*cloud[load_balancer_rules], *cloud[load_balancers]):
        leads += [(balancer, one.vm_id, balancer.network_id, one.ip) for one in balancer.members]
    for rule, vm_id, network_id, ip in leads:
        cards = [nic for nic in cloud[vms][vm_id].nics if nic.network_id == network_id]
        has = {address for nic in cards for address in addresses_of(nic)}
        assert ip in has, f"{rule.KIND} {rule.id} leads to {ip}, which guest {vm_id} has not"
    for address in cloud[public_ip_addresses]:
        network = cloud[networks].get(address.network_id)
        is_tier = network is not None and network.vpc_id is not None
        assert not is_tier or address.vpc_id is None, f"{address.address} serves two things"


def _owners(cloud: Cloud) -> None:
    """What goes with a guest, a volume or a user is of the same owner."""
    pairs: list[tuple[Any, Any]] = [(v, cloud[vms].get(v.vm_id)) for v in cloud[volumes]]
    pairs += [(policy, cloud[volumes][policy.volume_id]) for policy in cloud[snapshot_policies]]
    for vm in cloud[vms]:
        pairs += [(cloud[affinity_groups][group_id], vm) for group_id in vm.affinity_group_ids]
        pairs += [(cloud[security_groups][group_id], vm) for group_id in vm.security_group_ids]
        pairs += [(cloud[instance_groups][vm.group_id], vm)] if vm.group_id else []
    pairs += [
        (rule, cloud[security_groups][rule.security_group_id])
        for rule in cloud[security_group_rules]
    ]
    for part in (*cloud[project_members], *cloud[project_invitations]):
        pairs += [(part, cloud[users][part.user_id])] if part.user_id else []
    for one, of in pairs:
        same = of is None or one.account_id == of.account_id
        assert same, f"{one.KIND} {one.id} is of {one.account_id}, and {of.KIND} {of.id} is not"
