"""How jobs, their steps and questions about placement are shown. None of it is CloudStack's."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import View, view


@view
class JobStepView(View, kw_only=True):
    """One step of a job."""

    number: Annotated[int, "its place, from 1"]
    name: Annotated[str, "what it is called"]
    state: Annotated[str, "Waiting, Running, Retrying, Done, Skipped, Undone, Failed or Parked"]
    touches_world: Annotated[bool, "whether it calls hosts; else it only decides and records"]
    attempts: Annotated[int, "how often it was tried in vain since it last went on"]
    error: Annotated[str | None, "the kind of what refused it last"] = None
    error_text: Annotated[str | None, "what refused it last, in words"] = None
    no_undo: Annotated[str | None, "why it has no undo, if it has none"] = None


@view
class HostRefusedView(View, kw_only=True):
    """A host that would not take a guest."""

    host_id: Annotated[UUID, "the host"]
    host_name: Annotated[str | None, "its name"] = None
    rule: Annotated[str, "the first rule that refused the guest"]
    text: Annotated[str, "the figures, in words"]


@view
class PoolRefusedView(View, kw_only=True):
    """A pool that would not take a disk of the guest."""

    pool_id: Annotated[UUID, "the pool"]
    pool_name: Annotated[str | None, "its name"] = None
    rule: Annotated[str, "the first rule that refused the disk"]
    text: Annotated[str, "the figures, in words"]


@view
class PlacementView(View, kw_only=True):
    """Where a guest would be placed if it were asked for now."""

    suitable: Annotated[bool, "whether any host would take it"]
    host_id: Annotated[UUID | None, "the host that would be chosen"] = None
    host_name: Annotated[str | None, "its name"] = None
    counts: Annotated[dict[str, int], "how many hosts each rule refuses, and how many fit"]
    affinity: Annotated[list[str], "what each strict affinity group asks, in words"]
    reasons: Annotated[list[str], "what closes a whole zone or cluster to it, in words"]
    pool: Annotated[list[PoolRefusedView], "the pools that would refuse a disk, each with why"]
    host: Annotated[list[HostRefusedView], "the first hosts that were refused, each with why"]
