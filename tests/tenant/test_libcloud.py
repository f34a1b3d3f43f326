"""Apache Libcloud's CloudStack driver does a tenant's daily work against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from libcloud.compute.providers import get_driver
from libcloud.compute.types import NodeState, Provider

from tests.tenant.world import Client, Place


def driver_of(client: Client) -> Any:
    url = urlsplit(client.endpoint)
    made: Any = get_driver(Provider.CLOUDSTACK)(
        key=client.key,
        secret=client.secret,
        secure=False,
        host=url.hostname,
        port=url.port,
        path=url.path,
    )
    made.async_poll_frequency = 0.05
    return made


async def off_loop(work: Callable[[Any], None], client: Client) -> None:
    """Libcloud blocks, so it works beside the server's event loop."""
    await asyncio.to_thread(work, driver_of(client))


def live_a_life(driver: Any) -> None:
    size = next(one for one in driver.list_sizes() if one.name == "Small Instance")
    image = driver.list_images()[0]
    location = driver.list_locations()[0]
    node = driver.create_node(
        name="lib1", size=size, image=image, location=location, ex_start_vm=True
    )
    assert node.state == NodeState.RUNNING
    assert node.private_ips[0].startswith("10.1.1.")
    assert [one.id for one in driver.list_nodes()] == [node.id]
    assert driver.ex_get_node(node.id).name == "lib1"
    assert driver.ex_list_networks()[0].name == "ann-network"

    offering = next(one for one in driver.ex_list_disk_offerings() if one.name == "Custom")
    volume = driver.create_volume(
        size=3, name="libdata", location=location, ex_volume_type=offering.name
    )
    assert driver.attach_volume(node, volume) is True
    assert {one.name for one in driver.list_volumes(node)} >= {"libdata"}
    assert driver.detach_volume(volume) is True
    assert driver.destroy_volume(volume) is True

    assert driver.ex_stop(node) == "Stopped"
    assert driver.ex_start(node) == "Running"
    assert driver.reboot_node(node) is True
    assert driver.destroy_node(node, ex_expunge=True) is True
    assert driver.list_nodes() == []


async def test_a_tenants_day(here: Place) -> None:
    await off_loop(live_a_life, here.ann)
