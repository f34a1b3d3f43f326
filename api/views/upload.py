"""What is needed to send a file, told once to whoever asked."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec

from api.authz import noun
from api.declare import View, view

noun("upload", "owned")


@view
class UploadParamsView(View, kw_only=True):
    """Where and how to send a file. The signature is good for one file, until it expires."""

    id: Annotated[UUID, "the template, ISO or volume that it becomes"]
    post_url: Annotated[str, "where to post the file as a form"] = msgspec.field(name="postURL")
    metadata: Annotated[str, "to be sent as the header X-metadata"]
    expires: Annotated[str, "to be sent as the header X-expires"]
    signature: Annotated[str, "to be sent as the header X-signature"]
