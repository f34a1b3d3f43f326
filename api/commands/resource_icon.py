"""Commands about icons of things."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated
from uuid import UUID

from api.caller import Caller
from api.declare import Length, Names, Page, Success, command
from api.errors import InvalidValue
from api.kinds import PICTURED
from api.views.resource_icon import ResourceIconView, icon_of
from engine.intents.attached import SetIcons, TakeIcons

IMAGE_MAX_BYTES = 128 * 1024
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
# What would make a drawing do something, or fetch something, when it is looked at.
ACTIVE = re.compile(
    rb"<\s*(script|foreignobject|iframe|embed|object|image|use|a|animate|set)\b|\bon\w+\s*="
    rb"|javascript:|<!doctype|<!entity|<\?xml-stylesheet|@import|url\s*\(|data:",
    re.IGNORECASE,
)
KindWord = Annotated[str, "their kind, such as UserVm or Zone"]
Things = Annotated[
    tuple[str, ...], "the things", Names(PICTURED, right="operate", by="resource_type")
]
SeenThings = Annotated[
    tuple[str, ...], "the things", Names(PICTURED, right="see", by="resource_type")
]


def checked(text: str) -> str:
    """The base64 of a picture, or why it is none."""
    bare = text.partition("base64,")[2] if text.startswith("data:image/") else text
    try:
        image = base64.b64decode("".join(bare.split()), validate=True)
    except (binascii.Error, ValueError) as wrong:
        raise InvalidValue(f"base64image is no base64: {wrong}") from wrong
    if len(image) > IMAGE_MAX_BYTES:
        raise InvalidValue(
            f"base64image has {len(image)} bytes: an icon has at most {IMAGE_MAX_BYTES}"
        )
    is_drawing = re.match(rb"\s*(<\?xml[^>]*\?>)?\s*<svg[\s>]", image) is not None
    if not is_drawing and not image.startswith((PNG, JPEG)):
        raise InvalidValue("base64image is neither PNG nor JPEG nor SVG")
    if is_drawing and ACTIVE.search(image):
        raise InvalidValue("base64image is an SVG that does something: send a plain drawing")
    return base64.b64encode(image).decode()


@command(
    "uploadResourceIcon", returns=Success, allow="ARDU", since="4.16", action="RESOURCE.ICON.UPLOAD"
)
class UploadResourceIcon:
    """Give things an icon: all of them, or none."""

    resource_ids: Things
    resource_type: KindWord
    base64image: Annotated[str, "a PNG, JPEG or SVG", Length(2_097_152)]

    async def run(self, caller: Caller) -> None:
        ask = SetIcons(
            kind=PICTURED[self.resource_type.lower()],
            things=tuple(map(UUID, self.resource_ids)),
            image=checked(self.base64image),
            seed=caller.new_id(),
        )
        await caller.decide(ask)


@command(
    "deleteResourceIcon", returns=Success, allow="ARDU", since="4.16", action="RESOURCE.ICON.DELETE"
)
class DeleteResourceIcon:
    """Take the icons off things: off all of them, or off none."""

    resource_ids: Things
    resource_type: KindWord

    async def run(self, caller: Caller) -> None:
        kind = PICTURED[self.resource_type.lower()]
        await caller.decide(TakeIcons(kind=kind, things=tuple(map(UUID, self.resource_ids))))


@command(
    "listResourceIcon",
    returns=ResourceIconView,
    key="icon",
    shape="list",
    allow="ARDU",
    since="4.16",
)
class ListResourceIcon:
    """List the icons of things."""

    resource_ids: SeenThings
    resource_type: KindWord

    async def run(self, caller: Caller) -> Page:
        icons = (icon_of(UUID(one), caller.cloud) for one in dict.fromkeys(self.resource_ids))
        found = [icon for icon in icons if icon is not None]
        return Page(len(found), found)
