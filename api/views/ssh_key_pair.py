"""An SSH key pair as the wire shows it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Cloud, view
from api.views.owner import OwnedView, owner
from projections.annotation import is_noted
from projections.ssh_key_pair import SshKeyPair


@view
class SshKeyPairView(OwnedView, kw_only=True):
    """The public half of a key that guests are given."""

    id: Annotated[UUID, "its id"]
    name: Annotated[str, "its name"]
    fingerprint: Annotated[str, "the MD5 sum of the public key"]
    private_key: Annotated[str | None, "the private half; told once, and kept nowhere"] = None
    has_annotations: Annotated[bool, "whether there are notes on it"]

    @classmethod
    def of(cls, row: SshKeyPair, cloud: Cloud) -> SshKeyPairView:
        return cls(
            id=row.id,
            name=row.name,
            fingerprint=row.fingerprint,
            has_annotations=is_noted(row.id, cloud),
            **owner(row, cloud),
        )
