"""Apache Libcloud's CloudStack driver works with addresses and rules against a real server."""

from __future__ import annotations

from typing import Any

from tests.rules.world import guest_on, network_of
from tests.tenant.test_libcloud import off_loop
from tests.tenant.world import Place


def forward(driver: Any) -> None:
    node = driver.list_nodes()[0]
    network = next(one for one in driver.ex_list_networks() if one.name == "inner")
    address = driver.ex_allocate_public_ip(network_id=network.id)
    assert address.address in [one.address for one in driver.ex_list_public_ips()]
    rule = driver.ex_create_port_forwarding_rule(node, address, 22, 2222, "TCP", openfirewall=True)
    assert (rule.private_port, rule.public_port) == (22, 2222)
    (listed,) = driver.ex_list_port_forwarding_rules()
    assert (listed.id, listed.node.id) == (rule.id, node.id)
    (opened,) = driver.ex_list_firewall_rules()
    assert (opened.start_port, opened.end_port) == (2222, 2222)
    assert driver.ex_delete_port_forwarding_rule(node, rule) is True
    assert driver.ex_list_firewall_rules() == []

    wall = driver.ex_create_firewall_rule(address, "192.0.2.0/24", "TCP", start_port=80)
    assert driver.ex_delete_firewall_rule(wall) is True
    out = driver.ex_create_egress_firewall_rule(network.id, "10.1.1.0/24", "TCP", start_port=80)
    assert [one.id for one in driver.ex_list_egress_firewall_rules()] == [out.id]
    assert driver.ex_delete_egress_firewall_rule(out) is True

    assert driver.ex_release_public_ip(address) is True


async def test_a_port_is_forwarded(here: Place) -> None:
    network = await network_of(here.ann)
    await guest_on(here.ann, network["id"], name="web")
    await off_loop(forward, here.ann)
    assert await here.ann("listPortForwardingRules") == {}
