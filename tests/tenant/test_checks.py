"""The checks of a deploy that need no server: sizes, user data, VLANs, and what a view shows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest

from aggregates.domain import Domain
from aggregates.image import Copy, ImageState
from aggregates.network import Network
from aggregates.service_offering import ServiceOffering
from aggregates.template import Template
from aggregates.vm import Nic, Vm, VmState
from aggregates.zone import Zone
from api.commands.network import vlan_number
from api.commands.vm_checks import GIB, HOST_NAME, check_user_data, root_disk_bytes, size_of
from api.commands.vm_networks import serves
from api.errors import InvalidValue
from api.render import limited
from api.views.vm import VmView
from projections.cloud import Cloud
from projections.domain import domains
from projections.network import networks
from tests.tenant.world import named

ZONE = Zone(id=named("z"), name="z", network_type="Advanced", dns1="", internal_dns1="")


def offering(**fields: Any) -> ServiceOffering:
    return ServiceOffering(id=named("o"), name="o", **fields)


def template(size_bytes: int) -> Template:
    return Template(
        id=named("t"), name="t", display_text="t", account_id=named("a"), domain_id=named("d"),
        hypervisor="Simulator", image_format="QCOW2", url="", size_bytes=size_bytes,
        copies=[Copy(state=ImageState.READY)],
    )  # fmt: skip


def add(cloud: Cloud, spec: Any, row: Any) -> None:
    """Put a row where the fold of its events would have put it."""
    table = cloud[spec]
    table.rows[row.id.int] = row
    table._add(row)


def test_a_fixed_offering_fixes_the_size() -> None:
    fixed = offering(cpu_count=2, cpu_mhz=1000, memory_mib=512, host_tags=["ssd"])
    size = size_of(fixed, {"note": "kept", "cpunumber": "2"}, ZONE)
    assert (size.cpu_count, size.cpu_mhz, size.memory_mib) == (2, 1000, 512)
    assert size.host_tags == ["ssd"]
    with pytest.raises(InvalidValue, match="fixes memory to 512"):
        size_of(fixed, {"memory": "1024"}, ZONE)


@pytest.mark.parametrize("wrong", ["0", "-1", "9", "four", "1.5", ""])
def test_a_custom_size_is_a_whole_number_within_bounds(wrong: str) -> None:
    custom = offering(cpu_mhz=1, memory_mib=1, details={"maxcpunumber": "8"})
    assert size_of(custom, {"CPUNUMBER": "8"}, ZONE).cpu_count == 8
    with pytest.raises(InvalidValue, match="cpuNumber"):
        size_of(custom, {"cpuNumber": wrong}, ZONE)


def test_an_offering_may_be_kept_for_other_zones() -> None:
    elsewhere = offering(cpu_count=1, cpu_mhz=1, memory_mib=1, zone_ids=[named("other")])
    with pytest.raises(InvalidValue, match="not offered in zone z"):
        size_of(elsewhere, {}, ZONE)


def test_a_root_disk_is_never_smaller_than_its_template() -> None:
    plain, large = offering(), offering(root_disk_bytes=20 * GIB)
    assert root_disk_bytes(template(3 * GIB), plain, None) == 3 * GIB
    assert root_disk_bytes(template(3 * GIB), large, None) == 20 * GIB
    assert root_disk_bytes(template(3 * GIB), large, 4) == 4 * GIB
    with pytest.raises(InvalidValue, match="at least 4 GiB"):
        root_disk_bytes(template(3 * GIB + 1), plain, 3)


def test_user_data_is_base64() -> None:
    assert check_user_data(None) == ""
    assert check_user_data("aGVsbG8=") == "aGVsbG8="
    assert check_user_data("aGVs\nbG8") == "aGVsbG8="
    for wrong in ("a", "hello!", "aGVsbG8===="):
        with pytest.raises(InvalidValue, match="base64"):
            check_user_data(wrong)


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("web", True),
        ("W-1", True),
        ("a" * 63, True),
        ("a" * 64, False),
        ("-a", False),
        ("a-", False),
        ("1a", False),
        ("a.b", False),
        ("a_b", False),
        ("a\n", False),
        ("", False),
    ],
)
def test_host_names(name: str, fits: bool) -> None:
    assert (HOST_NAME.fullmatch(name) is not None) is fits


def test_vlans() -> None:
    for text, number in (("100", 100), ("vlan://7", 7), ("untagged", None), (None, None)):
        assert vlan_number(text) == number
    for wrong in ("0", "4095", "-1", "ten", "1.5", "²"):
        with pytest.raises(InvalidValue, match="4094"):
            vlan_number(wrong)


def a_network(name: str, account_id: UUID, domain_id: UUID, acl_type: str) -> Network:
    return Network(
        id=named(name), name=name, display_text=name, account_id=account_id, domain_id=domain_id,
        zone_id=ZONE.id, offering_id=named("no"), guest_ip_type="Shared", acl_type=acl_type,
        vlan=100,
    )  # fmt: skip


def test_whom_a_network_serves() -> None:
    cloud = Cloud()
    for path in ("/", "/a", "/a/b", "/ab"):
        add(cloud, domains, Domain(id=named(path), name=path, path=path, level=1))
    mine, me = named("account"), named("/a/b")
    of_a = a_network("of a", named("x"), named("/a"), "Domain")
    assert serves(of_a, cloud, mine, me)
    assert serves(of_a, cloud, mine, named("/a"))
    assert not serves(of_a, cloud, mine, named("/ab"))
    assert not serves(of_a, cloud, mine, named("/"))
    assert not serves(a_network("own", named("x"), named("/a"), "Account"), cloud, mine, me)
    assert serves(a_network("mine", mine, named("/a"), "Account"), cloud, mine, me)


def test_what_a_view_shows_and_to_whom() -> None:
    cloud = Cloud()
    network = a_network("n", named("a"), named("d"), "Account")
    add(cloud, networks, network)
    nic = Nic(id=named("nic"), network_id=network.id, mac="02:53:00:00:00:01", is_default=True)
    vm = Vm(
        id=named("vm"), name="vm", display_name="vm", account_id=named("a"), domain_id=named("d"),
        user_id=None, zone_id=ZONE.id, template_id=named("gone"), hypervisor="Simulator",
        service_offering_id=named("gone"), cpu_count=1, cpu_mhz=500, memory_mib=512,
        instance_name="i-1", nics=[nic], state=VmState.STARTING, job_id=named("job"),
    )  # fmt: skip
    shown = msgspec.to_builtins(VmView.of(vm, cloud))
    assert (shown["jobid"], shown["jobstatus"]) == (str(named("job")), 0)
    assert shown["nic"][0]["broadcasturi"] == "vlan://100"
    assert shown["instancename"] == "i-1"
    to_user = msgspec.to_builtins(limited(VmView.of(vm, cloud), "User"))
    hidden = {"instancename", "displayvm"}
    assert set(shown) - set(to_user) == hidden
    assert "broadcasturi" not in to_user["nic"][0]
    assert None not in to_user.values()
    assert {"ipaddress", "hostid", "userdata"}.isdisjoint(shown)
