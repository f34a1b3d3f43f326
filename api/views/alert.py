"""How findings, and what people said, are shown to those who look after the cloud."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from api.declare import Cloud, Date, View, date, view
from projections.finding import Finding, FindingKind

# CloudStack's numbers and names of what an alert can be about.
TYPES = {
    0: "ALERT.MEMORY",
    1: "ALERT.CPU",
    2: "ALERT.STORAGE",
    3: "ALERT.STORAGE.ALLOCATED",
    4: "ALERT.NETWORK.PUBLICIP",
    5: "ALERT.NETWORK.PRIVATEIP",
    6: "ALERT.SECONDARY.STORAGE",
    7: "ALERT.COMPUTE.HOST",
    8: "ALERT.USERVM",
    9: "ALERT.SERVICE.DOMAINROUTER",
    10: "ALERT.SERVICE.CONSOLEPROXY",
    11: "ALERT.SERVICE.ROUTING",
    12: "ALERT.STORAGE.MISC",
    13: "ALERT.USAGE",
    14: "ALERT.MANAGEMENT",
    15: "ALERT.NETWORK.DOMAINROUTERMIGRATE",
    16: "ALERT.SERVICE.CONSOLEPROXYMIGRATE",
    17: "ALERT.USERVM.MIGRATE",
    18: "ALERT.NETWORK.VLAN",
    19: "ALERT.SERVICE.SSVM",
    20: "ALERT.USAGE.RESULT",
    21: "ALERT.STORAGE.DELETE",
    22: "ALERT.RESOURCE.COUNT",
    23: "ALERT.USAGE.SANITY",
    24: "ALERT.NETWORK.DIRECTPUBLICIP",
    25: "ALERT.STORAGE.LOCAL",
    26: "ALERT.RESOURCE.EXCEED",
    27: "ALERT.TYPE.SYNC",
    28: "ALERT.UPLOAD.FAILED",
    29: "ALERT.OOBM.AUTHERROR",
    30: "ALERT.HA.ACTION",
    31: "ALERT.CA.CERT",
    32: "ALERT.VM.SNAPSHOT",
}
GUEST, STORAGE = 8, 12


@view
class AlertView(View, kw_only=True):
    """Something that a person should look at."""

    id: Annotated[UUID, "the alert"]
    type: Annotated[int, "what it is about, see listAlertTypes"]
    name: Annotated[str, "what was found, in two words, or the name that was given"]
    description: Annotated[str, "what was found and what is done about it"]
    sent: Annotated[Date, "when it was found"]
    place_id: Annotated[UUID | None, "the host, pool, zone or pod that it is about"] = None
    subject: Annotated[str, "the id or the name of the thing"]

    @classmethod
    def of(cls, row: Finding, cloud: Cloud) -> AlertView:
        return cls(
            id=row.id,
            type=type_of(row),
            name=name_of(row),
            description=row.text,
            sent=date(row.created_at_ms),
            place_id=row.place_id if row.place_id != row.id else None,
            subject=row.subject,
        )


@view
class AlertTypeView(View, kw_only=True):
    """What an alert can be about."""

    alert_type_id: Annotated[int, "its number"]
    name: Annotated[str, "its name"]


def name_of(row: Finding) -> str:
    return row.subject if row.finding is FindingKind.SAID else str(row.finding)


def type_of(row: Finding) -> int:
    if row.alert_type is not None:
        return row.alert_type
    return GUEST if str(row.finding).endswith("guest") else STORAGE
