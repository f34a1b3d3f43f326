"""Uploads by form post: what is needed to send the file of a template, an ISO or a volume."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

import msgspec

from api.caller import Caller
from api.commands.image_checks import as_is, bytes_max, open_zones
from api.commands.image_fields import FileFields, TemplateFields, TypeFields
from api.commands.template import HYPERVISORS
from api.commands.volume_upload import VolumeFields
from api.declare import Later, Names, command, date
from api.errors import InvalidValue
from api.views.upload import UploadParamsView
from engine.intents.iso import RegisterIso
from engine.intents.template import RegisterTemplate
from engine.intents.upload import AwaitUpload
from engine.intents.volume_upload import UploadVolume
from projections.setting import number_of

MINUTE_MS = 60_000


async def awaited(caller: Caller, thing_id: UUID, ask: Any) -> UploadParamsView:
    """Await a file for the caller. The signature is told here and never again."""
    upload_id = caller.new_id()
    signature = base64.urlsafe_b64encode(
        caller.random_id().bytes + caller.random_id().bytes
    ).decode()
    minutes = int(number_of(caller.cloud, "upload.operation.timeout"))
    expires_at_ms = caller.now_ms + minutes * MINUTE_MS
    await caller.decide(
        AwaitUpload(
            upload_id=upload_id,
            signature_sha256=sha256(signature.encode()).hexdigest(),
            expires_at_ms=expires_at_ms,
            bytes_max=bytes_max(caller),
            ask=ask,
        )
    )
    told = {"uuid": str(thing_id), "name": ask.name, "checksum": ask.checksum}
    return UploadParamsView(
        id=thing_id,
        post_url=f"{caller.engine.base_url}/upload/{upload_id}",
        metadata=base64.b64encode(msgspec.json.encode(told)).decode(),
        expires=date(expires_at_ms),
        signature=signature,
    )


@command(
    "getUploadParamsForTemplate",
    returns=UploadParamsView,
    key="getuploadparams",
    envelope="postuploadtemplateresponse",
    allow="ARDU",
    since="4.6.0",
    action="TEMPLATE.CREATE",
    reads=False,
)
class GetUploadParamsForTemplate(FileFields, TemplateFields, TypeFields):
    """Register a template whose image is sent by a form post, and say how to send it."""

    format: Annotated[str, "QCOW2, RAW, VHD, VHDX, VMDK or OVA"]
    hypervisor: Annotated[str, "the hypervisor that it is for", HYPERVISORS]
    zone_id: Annotated[UUID, "its zone", Names("zone")]
    deploy_as_is: Annotated[
        bool | None, "let an appliance say what hardware and properties its guests have"
    ] = None
    for_cks: Annotated[
        bool | None, "not offered yet", Later("there are no Kubernetes clusters")
    ] = None

    async def run(self, caller: Caller) -> UploadParamsView:
        ask = RegisterTemplate(
            template_id=caller.new_id(),
            url="",
            hypervisor=self.hypervisor,
            image_format=self.format.upper(),
            trusted=False,
            zone_ids=open_zones(caller, self.zone_id),
            template_type=self.type_for(caller),
            deploy_as_is=as_is(self.deploy_as_is, self.format, self.hypervisor),
            **self.said(caller),
            **self.machines(),
        )
        return await awaited(caller, ask.template_id, ask)


@command(
    "getUploadParamsForIso",
    returns=UploadParamsView,
    key="getuploadparams",
    envelope="postuploadisoresponse",
    allow="ARDU",
    since="4.13",
    action="ISO.CREATE",
    reads=False,
)
class GetUploadParamsForIso(FileFields):
    """Register an ISO whose image is sent by a form post, and say how to send it."""

    format: Annotated[str, "ISO"]
    zone_id: Annotated[UUID, "its zone", Names("zone")]
    bootable: Annotated[bool | None, "whether machines can start from it; true if omitted"] = None

    async def run(self, caller: Caller) -> UploadParamsView:
        if self.format.upper() != "ISO":
            raise InvalidValue("format of an ISO is ISO")
        ask = RegisterIso(
            template_id=caller.new_id(),
            url="",
            hypervisor="None",
            image_format="ISO",
            trusted=False,
            zone_ids=open_zones(caller, self.zone_id),
            is_bootable=self.bootable is not False,
            **self.said(caller),
        )
        return await awaited(caller, ask.template_id, ask)


@command(
    "getUploadParamsForVolume",
    returns=UploadParamsView,
    key="getuploadparams",
    envelope="postuploadvolumeresponse",
    allow="ARDU",
    since="4.6.0",
    action="VOLUME.UPLOAD",
    reads=False,
)
class GetUploadParamsForVolume(VolumeFields):
    """Make a volume whose image is sent by a form post, and say how to send it."""

    async def run(self, caller: Caller) -> UploadParamsView:
        ask = UploadVolume(volume_id=caller.new_id(), **self.said(caller))
        return await awaited(caller, ask.volume_id, ask)
