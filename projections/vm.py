"""Virtual machines as they are read."""

from aggregates.vm import Vm, VmState
from projections.cold import packed
from projections.table import table

vms = table(
    Vm,
    indexed=(
        *("account_id", "domain_id", "zone_id", "host_id", "service_offering_id"),
        *("state", "name"),
    ),
    seldom=(
        *("iso_id", "affinity_group_ids", "user_data_id", "os_type_id"),
        *("lease_ends_at_ms", "why_stopped"),
    ),
    make=packed(
        common=(
            *("account_id", "domain_id", "user_id", "zone_id", "template_id", "group_id"),
            *("service_offering_id", "hypervisor", "host_id", "last_host_id"),
            *("network_id", "gateway", "netmask"),
        ),
        usual=(
            *("version", "instance_name", "nics", "state", "before", "hold", "state_at_ms"),
            *("mac", "ip4", "is_default", "ip_hold"),
        ),
    ),
)

__all__ = ["Vm", "VmState", "vms"]
