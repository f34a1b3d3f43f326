"""Guests' whole lives through the API on a region that keeps to its published APIs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.e2e.server import serving
from tests.peers.openstack.server import serving as region_of_ours
from tests.real.openstack_lives import Lives
from tests.real.openstack_site import Site, Witness, added

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]


@contextmanager
def in_a_thread(folder: Path) -> Iterator[str]:
    """Our own server of a region, on a loop of its own; gives Keystone's address."""
    ready, over = threading.Event(), threading.Event()
    found: list[str] = []

    async def serve() -> None:
        async with region_of_ours(folder) as (region, _):
            found.append(f"{region.public}/identity/v3")
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(30), "the region does not serve"
    try:
        yield found[0]
    finally:
        over.set()
        thread.join(30)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("openstack")
    with ExitStack() as stack:
        keystone = stack.enter_context(in_a_thread(folder / "region"))
        witness = Witness(keystone, "sagastack", "correct horse")
        witness.sign_in()
        environment = {"SAGASTACK_DRIVER_OPENSTACK": "poll_s=0.05", "SAGASTACK_RECONCILE_S": "1"}
        server = stack.enter_context(serving(folder / "home", **environment))
        yield added(witness, server, folder)


class TestOurRegion(Lives):
    """A server of ours."""


def test_a_wrong_password_leaves_no_host(site: Site) -> None:
    url = site.witness.keystone.replace("http://", "openstack+http://")
    site.api.refused(
        "addHost", 530, "user, password, project or domain is wrong", zoneid=site.zone,
        podid=site.pod, clusterid=site.cluster, hypervisor="OpenStack", username="admin",
        password="guess", url=f"{url}?region=RegionOne&project=cloud&host=compute1&network=x",
    )  # fmt: skip
    assert len(site.api("listHosts", type="Routing")["host"]) == 2


def test_a_region_that_is_another_hypervisors_is_refused(site: Site) -> None:
    site.api.refused("createStoragePool", 431, "cinder://", zoneid=site.zone, podid=site.pod,
                     clusterid=site.cluster, name="no", url="nfs://a/b")  # fmt: skip
