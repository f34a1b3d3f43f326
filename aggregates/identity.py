"""Which cloud this is. A restored cloud is another one: its past is told anew from some point on.

The beginning of a log names its cloud by itself: the first row holds random keys. Whoever followed
the log has read what came behind the point that was restored; so the restored log says that it is
another cloud now, and its positions are no longer taken for those of the first.
"""

from __future__ import annotations

from uuid import NAMESPACE_OID, UUID, uuid5

from aggregates.base import Event, event

IDENTITY = uuid5(NAMESPACE_OID, "sagastack:identity")
"""The stream that tells it, the same in every log."""


@event("identity.restored")
class IdentityRestored(Event, frozen=True, kw_only=True):
    """The log was restored up to `position`, as the cloud `former` had it; it is `cloud_id` now.

    `root` is the Merkle root of all rows up to there, and `lost_after_ms` the time of the last.
    """

    cloud_id: UUID
    former: UUID
    position: int
    root: str
    lost_after_ms: int
