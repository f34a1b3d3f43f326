"""Regions: each has a number and an address, and this one stays."""

from __future__ import annotations

from urllib.parse import urlsplit

from aggregates.errors import Invalid, NotAllowed
from aggregates.region import HERE, Region
from engine.decide import Desk
from engine.decisions.record import Proposed, farewell, rule


@rule("region")
def region_can_be_asked(one: Proposed, desk: Desk) -> None:
    if one["number"] < 1:
        raise Invalid(f"id {one['number']} is no region's: they count from 1", field="id")
    try:
        parts = urlsplit(one["endpoint"])
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.password
    except ValueError:
        fits = False
    if not fits:
        raise Invalid(
            f"endpoint {one['endpoint']!r} is no URL such as http://192.0.2.1:8080/client/api",
            field="endpoint",
        )


@farewell("region")
def this_one_stays(row: Region, desk: Desk) -> None:
    if row.number == HERE:
        raise NotAllowed(f"region {row.name} is this controller's own and stays")
