"""Settings: list, change, reset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

from api.declare import Bound, Caller, Names, Page, command
from api.errors import Denied, InvalidValue
from api.lists import cut
from api.views.setting import (
    ConfigurationGroupView,
    ConfigurationSubgroupView,
    ConfigurationView,
)
from engine.intents.cluster import RATIOS, SetRatio
from engine.intents.setting import ChangeSetting, ResetSetting
from projections.cloud import Cloud
from projections.setting import GROUPS, KNOWN, KnownSetting, value_of, wider

ZoneId = Annotated[UUID | None, "for this zone", Names("zone", right="operate")]
ClusterId = Annotated[UUID | None, "for this cluster", Names("cluster", right="operate")]
PoolId = Annotated[UUID | None, "for this pool", Names("storage_pool", right="operate")]
StoreId = Annotated[UUID | None, "for this image store", Names("image_store", right="operate")]
AccountId = Annotated[UUID | None, "for this account", Names("account", right="operate")]
DomainId = Annotated[UUID | None, "for this domain", Names("domain", right="operate")]
KINDS = {"storagepool": "storage_pool", "imagestore": "image_store"}


def scope_of(caller: Caller, **named: UUID | None) -> tuple[str, UUID | None]:
    """The one scope that was named, or the whole cloud, which is for root administrators."""
    found = [(scope, scope_id) for scope, scope_id in named.items() if scope_id is not None]
    if len(found) > 1:
        raise InvalidValue(f"a setting has one scope: {' and '.join(s for s, _ in found)} are two")
    scope, scope_id = found[0] if found else ("global", None)
    if scope not in ("domain", "account") and not caller.is_root:
        raise Denied("settings of the cloud are its administrators': name a domain or an account")
    return scope, scope_id


def check_below(caller: Caller, scope: str, scope_id: UUID | None) -> None:
    """Nobody changes what they were given themselves: a domain's administrator may set things for
    the other accounts of the domain and for the domains below it."""
    if caller.is_root:
        return
    own = caller.account_id if scope == "account" else caller.domain_id
    if scope_id != own:
        return
    raise Denied(f"settings of your own {scope} are set by whoever is above you: ask them")


def valued(cloud: Cloud, name: str, scope: str, scope_id: UUID | None) -> str:
    """What counts for a scope: its own value, or that of the nearest wider one."""
    if scope_id is None:
        return value_of(cloud, name)
    return value_of(cloud, name, *wider(cloud, KINDS.get(scope, scope), scope_id))


@command(
    "listConfigurations",
    returns=ConfigurationView,
    key="configuration",
    shape="list",
    allow="AD",
)
class ListConfigurations:
    """List every setting that there is, with the value that counts."""

    name: Annotated[str | None, "the setting of this name"] = None
    category: Annotated[str | None, "settings about this"] = None
    group: Annotated[str | None, "settings of this group"] = None
    subgroup: Annotated[str | None, "settings of this part of a group"] = None
    parent: Annotated[str | None, "settings that hang on another; none does here"] = None
    keyword: Annotated[str | None, "text that the name contains"] = None
    zone_id: ZoneId = None
    cluster_id: ClusterId = None
    storage_id: PoolId = None
    image_store_uuid: StoreId = None
    account_id: AccountId = None
    domain_id: DomainId = None
    page: Annotated[int | None, "which page, from 1", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        scope, scope_id = scope_of(
            caller,
            zone=self.zone_id,
            cluster=self.cluster_id,
            storagepool=self.storage_id,
            imagestore=self.image_store_uuid,
            account=self.account_id,
            domain=self.domain_id,
        )
        found = [
            ConfigurationView.made(
                one,
                valued(caller.cloud, one.name, scope, scope_id),
                scope if scope_id is not None else "",
            )
            for one in self._wanted()
            if scope in one.scopes
        ]
        return Page(len(found), cut(found, self.page, self.page_size, caller))

    def _wanted(self) -> Iterator[KnownSetting]:
        for one in KNOWN.values():
            group, subgroup = one.group
            asked = (
                (self.name, one.name),
                (self.category, one.category),
                (self.group, group),
                (self.subgroup, subgroup),
                (self.parent, ""),
            )
            fits = all(not want or want.lower() == has.lower() for want, has in asked)
            if fits and (self.keyword or "").lower() in one.name.lower():
                yield one


@command(
    "updateConfiguration",
    returns=ConfigurationView,
    key="configuration",
    allow="AD",
    action="CONFIGURATION.VALUE.EDIT",
)
class UpdateConfiguration:
    """Change a setting, for the whole cloud or for one scope."""

    name: Annotated[str, "the setting"]
    value: Annotated[str | None, "its new value"] = None
    zone_id: ZoneId = None
    cluster_id: ClusterId = None
    storage_id: PoolId = None
    image_store_uuid: StoreId = None
    account_id: AccountId = None
    domain_id: DomainId = None

    async def run(self, caller: Caller) -> ConfigurationView:
        scope, scope_id = scope_of(
            caller,
            zone=self.zone_id,
            cluster=self.cluster_id,
            storagepool=self.storage_id,
            imagestore=self.image_store_uuid,
            account=self.account_id,
            domain=self.domain_id,
        )
        check_below(caller, scope, scope_id)
        value = (self.value or "").strip()
        await _set(caller, self.name, value, scope, scope_id)
        return ConfigurationView.made(KNOWN[self.name], value, scope)


async def _set(
    caller: Caller, name: str, value: str | None, scope: str, scope_id: UUID | None
) -> None:
    """Change a setting, or reset it. What the hosts of a cluster offer by it is told by a job."""
    setting_id = caller.new_id()
    if scope == "cluster" and scope_id is not None and name in RATIOS:
        ratio = SetRatio(cluster_id=scope_id, setting_id=setting_id, name=name, value=value)
        await caller.perform(ratio)
    elif value is None:
        await caller.decide(ResetSetting(name=name, scope=scope, scope_id=scope_id))
    else:
        ask = ChangeSetting(id=setting_id, name=name, value=value, scope=scope, scope_id=scope_id)
        await caller.decide(ask)


@command(
    "resetConfiguration",
    returns=ConfigurationView,
    key="configuration",
    allow="A",
    action="CONFIGURATION.VALUE.EDIT",
)
class ResetConfiguration:
    """Let the next wider scope, or the default, count again."""

    name: Annotated[str, "the setting"]
    zone_id: ZoneId = None
    cluster_id: ClusterId = None
    storage_id: PoolId = None
    image_store_id: StoreId = None
    account_id: AccountId = None
    domain_id: DomainId = None

    async def run(self, caller: Caller) -> ConfigurationView:
        scope, scope_id = scope_of(
            caller,
            zone=self.zone_id,
            cluster=self.cluster_id,
            storagepool=self.storage_id,
            imagestore=self.image_store_id,
            account=self.account_id,
            domain=self.domain_id,
        )
        await _set(caller, self.name, None, scope, scope_id)
        value = valued(caller.cloud, self.name, scope, scope_id)
        return ConfigurationView.made(KNOWN[self.name], value, scope)


@command(
    "listConfigurationGroups",
    returns=ConfigurationGroupView,
    key="configurationgroup",
    shape="list",
    allow="A",
    since="4.18.0",
)
class ListConfigurationGroups:
    """List the groups that settings are in."""

    group: Annotated[str | None, "the group of this name"] = None
    keyword: Annotated[str | None, "text that the name contains"] = None
    page: Annotated[int | None, "which page, from 1", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        found = [
            ConfigurationGroupView(
                name=name,
                description=text,
                precedence=place,
                subgroup=[
                    ConfigurationSubgroupView(name=part, precedence=number)
                    for number, part in enumerate(parts, 1)
                ],
            )
            for place, (name, (text, parts)) in enumerate(GROUPS.items(), 1)
            if (not self.group or self.group.lower() == name.lower())
            and (self.keyword or "").lower() in name.lower()
        ]
        return Page(len(found), cut(found, self.page, self.page_size, caller))
