"""A region: a cloud with a controller of its own, and where it is asked."""

from __future__ import annotations

from aggregates.base import Aggregate
from aggregates.record import record

HERE = 1


@record("region", unique=("number", "name"))
class Region(Aggregate):
    """This controller's own region is number 1; the others are only told of."""

    number: int
    name: str
    endpoint: str
