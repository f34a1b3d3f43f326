"""A new cloud has one beginning: whole, its ids known to all, and no secret in it."""

from __future__ import annotations

from uuid import UUID

from engine.genesis import (
    ADMIN_USER,
    BUILTIN_TEMPLATE,
    ROOT_DOMAIN,
    begin,
    first_credentials,
    stable_id,
)
from projections.domain import domains
from projections.network_offering import network_offerings
from projections.template import templates
from projections.user import users
from tests.catalogue.controller import Controller


async def test_begins_once(controller: Controller) -> None:
    """Beginning again changes nothing, so a second start is the same cloud."""
    before = controller.engine.cloud.digest()
    await begin(controller.engine, controller.vault)
    assert controller.engine.cloud.digest() == before


async def test_all_of_it_is_readable(controller: Controller) -> None:
    cloud = controller.engine.cloud
    assert cloud[domains][ROOT_DOMAIN].path == "/"
    assert cloud[templates][BUILTIN_TEMPLATE].is_ready
    isolated = "DefaultIsolatedNetworkOfferingWithSourceNatService"
    offering = cloud[network_offerings][stable_id("network_offering", isolated)]
    assert offering.services["SourceNat"] == ["VirtualRouter"]
    assert offering.state == "Enabled"


async def test_rebuild_equals_live(controller: Controller) -> None:
    rebuilt = await controller.history.rebuild()
    assert rebuilt.digest() == controller.engine.cloud.digest()


async def test_credentials_open_the_cloud_and_are_in_no_event(controller: Controller) -> None:
    cloud, vault = controller.engine.cloud, controller.vault
    found = await first_credentials(cloud, vault)
    assert found is not None and found.username == "admin"
    entry = UUID(cloud[users][ADMIN_USER].password_ref)
    assert await vault.check_password(entry, found.password)
    assert not await vault.check_password(entry, found.password + "x")
    raw = b"".join(row.state for row in await controller.log.read_stored())
    assert found.api_key.encode() in raw
    assert found.secret_key.encode() not in raw and found.password.encode() not in raw
