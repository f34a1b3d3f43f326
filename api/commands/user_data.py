"""Commands about user data that is kept under a name, and given to guests by its id."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.caller import Caller
from api.commands.vm_checks import USER_DATA_LENGTH, check_user_data
from api.declare import Length, Names, OneOf, Success, command
from api.errors import InvalidValue, ParamError
from api.lists import list_command
from api.scope import owner_for
from api.views.template import TemplateView
from api.views.user_data import UserDataView
from engine.intents.record import CreateRecord, RemoveRecord
from engine.intents.template import LinkUserData
from projections.iso import isos
from projections.template import Image, templates
from projections.user_data import UserData, user_datas

KIND = user_datas.kind
# How a template's user data goes together with what a deploy brings.
POLICIES = ("ALLOWOVERRIDE", "APPEND", "DENYOVERRIDE")


@command(
    "registerUserData",
    returns=UserDataView,
    key="userdata",
    allow="ARDU",
    since="4.18",
    action="REGISTER.USER.DATA",
)
class RegisterUserData:
    """Keep user data under a name, for guests to be told."""

    name: Annotated[str, "its name"]
    user_data: Annotated[str, "the content in base64", Length(USER_DATA_LENGTH)]
    params: Annotated[
        str | None, "names, with commas between, of what each guest may say for itself"
    ] = None
    account: Annotated[str | None, "the account that shall own it"] = None
    domain_id: Annotated[UUID | None, "the domain of that account", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that shall own it", Names("project")] = None

    async def run(self, caller: Caller) -> UserData:
        return await _keep(self, caller, check_user_data(self.user_data), is_cni=False)


@command("deleteUserData", returns=Success, allow="ARDU", since="4.18", action="DELETE.USER.DATA")
class DeleteUserData:
    """Forget user data. Refused while a guest or a template names it."""

    id: Annotated[UUID, "the user data", Names(KIND, right="operate")]
    account: Annotated[str | None, "the account that owns it"] = None
    domain_id: Annotated[UUID | None, "the domain of that account", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that owns it", Names("project")] = None

    async def run(self, caller: Caller) -> None:
        await _forget(self, caller, is_cni=False)


@list_command("listUserData", view=UserDataView, table=user_datas, key="userdata", since="4.18")
class ListUserData:
    """List user data that is kept under a name."""

    def visible(self, row: UserData, caller: Caller) -> bool:
        return not row.is_cni


@command(
    "linkUserDataToTemplate",
    returns=TemplateView,
    key="template",
    allow="ARDU",
    since="4.18.0",
    action="LINK.USER.DATA.TEMPLATE",
)
class LinkUserDataToTemplate:
    """Let guests of a template or an ISO be told this user data; without any, no longer."""

    template_id: Annotated[UUID | None, "the template", Names("template", right="operate")] = None
    iso_id: Annotated[
        UUID | None, "the ISO, instead of a template", Names("iso", right="operate")
    ] = None
    user_data_id: Annotated[UUID | None, "the user data; none to unlink", Names(KIND)] = None
    user_data_policy: Annotated[
        str | None, "a deploy's own user data takes its place, is added, or is refused",
        OneOf(*POLICIES),
    ] = None  # fmt: skip

    async def run(self, caller: Caller) -> Image:
        if (self.template_id is None) == (self.iso_id is None):
            raise ParamError("linkUserDataToTemplate needs templateid or isoid, and not both")
        image_id = self.template_id or self.iso_id
        assert image_id is not None
        policy = (self.user_data_policy or POLICIES[0]) if self.user_data_id else ""
        await caller.decide(
            LinkUserData(
                image_id=image_id,
                is_iso=self.iso_id is not None,
                user_data_id=self.user_data_id,
                user_data_policy=policy,
            )
        )
        found = caller.cloud[templates].get(image_id) or caller.cloud[isos][image_id]
        return found


@command(
    "registerCniConfiguration",
    returns=UserDataView,
    key="cniconfig",
    allow="ARDU",
    since="4.21.0",
    action="REGISTER.CNI.CONFIG",
)
class RegisterCniConfiguration:
    """Keep a configuration of a cluster's container network under a name."""

    name: Annotated[str, "its name"]
    cni_config: Annotated[str | None, "the content in base64", Length(USER_DATA_LENGTH)] = None
    params: Annotated[str | None, "names of what each cluster may say for itself"] = None
    account: Annotated[str | None, "the account that shall own it"] = None
    domain_id: Annotated[UUID | None, "the domain of that account", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that shall own it", Names("project")] = None

    async def run(self, caller: Caller) -> UserData:
        return await _keep(self, caller, check_user_data(self.cni_config, "cniconfig"), is_cni=True)


@command(
    "deleteCniConfiguration",
    returns=Success,
    allow="ARDU",
    since="4.21.0",
    action="DELETE.CNI.CONFIG",
)
class DeleteCniConfiguration:
    """Forget a configuration of a container network."""

    id: Annotated[UUID, "the configuration", Names(KIND, right="operate")]
    account: Annotated[str | None, "the account that owns it"] = None
    domain_id: Annotated[UUID | None, "the domain of that account", Names("domain", "see")] = None
    project_id: Annotated[UUID | None, "the project that owns it", Names("project")] = None

    async def run(self, caller: Caller) -> None:
        await _forget(self, caller, is_cni=True)


@list_command(
    "listCniConfiguration", view=UserDataView, table=user_datas, key="cniconfig", since="4.21.0"
)
class ListCniConfiguration:
    """List configurations of container networks."""

    def visible(self, row: UserData, caller: Caller) -> bool:
        return row.is_cni


async def _keep(ask: Any, caller: Caller, content: str, *, is_cni: bool) -> UserData:
    account_id, domain_id = owner_for(
        caller, account=ask.account, domain_id=ask.domain_id, project_id=ask.project_id
    )
    named = [name.strip() for name in (ask.params or "").split(",")]
    fields = {
        "name": ask.name,
        "account_id": account_id,
        "domain_id": domain_id,
        "content": content,
        "params": list(dict.fromkeys(name for name in named if name)),
        "is_cni": is_cni,
    }
    row_id = caller.new_id()
    await caller.decide(CreateRecord(kind=KIND, id=row_id, fields=fields))
    return caller.cloud[user_datas][row_id]


async def _forget(ask: Any, caller: Caller, *, is_cni: bool) -> None:
    row = caller.cloud[user_datas][ask.id]
    if row.is_cni != is_cni:
        other = "deleteCniConfiguration" if row.is_cni else "deleteUserData"
        raise InvalidValue(f"{row.name} is forgotten by {other}: call that")
    await caller.decide(RemoveRecord(kind=KIND, id=row.id))
