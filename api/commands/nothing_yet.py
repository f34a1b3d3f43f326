"""Lists of what does not exist yet. Clients ask for them, so they answer: nothing, well formed.

A noun that comes to exist takes its line away from here. Parameters are written so: `zoneid:zone`
is an id of that noun, `forvpc?` a flag, `id#` a number, anything else text; `!` is required.
"""

from __future__ import annotations

from dataclasses import make_dataclass
from typing import Annotated, Any
from uuid import UUID

from api.authz import noun
from api.declare import Caller, Names, Page, Wire, register
from api.views.infrastructure import NamedView

OWNED = "account domainid:domain isrecursive? listall? projectid:project"

# (command, key, roles, envelope if irregular, parameters)
NOTHING: tuple[tuple[str, str, str, str, str], ...] = (
    (
        "listSystemVms",
        "systemvm",
        "AR",
        "",
        "arch hostid:host id:system_vm name podid:pod state storageid:storage_pool systemvmtype "
        "zoneid:zone",
    ),
    (
        "listRouters",
        "router",
        "ARD",
        "",
        f"{OWNED} arch clusterid:cluster fetchhealthcheckresults? forvpc? healthchecksfailed? "
        "hostid:host id:router name networkid:network podid:pod state version vpcid:vpc "
        "zoneid:zone",
    ),
    (
        "listInternalLoadBalancerVMs",
        "internalloadbalancervm",
        "A",
        "listinternallbvmsresponse",
        f"{OWNED} fetchhealthcheckresults? forvpc? hostid:host id:router name networkid:network "
        "podid:pod state vpcid:vpc zoneid:zone",
    ),
    ("listAlerts", "alert", "AR", "", "id:alert name type"),
    ("listObjectStoragePools", "objectstore", "ARDU", "", "id:object_store name provider"),
    ("listVmwareDcs", "VMwareDC", "A", "", "zoneid:zone!"),
    ("listSwifts", "imagestore", "A", "", "id#"),
    (
        "listStorageNetworkIpRange",
        "storagenetworkiprange",
        "A",
        "",
        "id:storage_network_ip_range podid:pod zoneid:zone",
    ),
    ("listDedicatedZones", "dedicatedzone", "A", "", "account domainid:domain zoneid:zone"),
    ("listDedicatedPods", "dedicatedpod", "A", "", "account domainid:domain podid:pod"),
    (
        "listDedicatedClusters",
        "dedicatedcluster",
        "A",
        "",
        "account clusterid:cluster domainid:domain",
    ),
    ("listDedicatedHosts", "dedicatedhost", "A", "", "account domainid:domain hostid:host"),
)

noun("system_vm", "admin")
noun("router", "owned")
noun("vpc", "owned")
noun("alert", "admin")
noun("object_store", "catalogue")
noun("storage_network_ip_range", "admin")


async def run(self: Any, caller: Caller) -> Page:
    """There is nothing, whatever was asked."""
    return Page(0, [])


def param(text: str) -> tuple[Any, ...]:
    """One parameter, as the lines above write it, as a field of the command."""
    required, bare = text.endswith("!"), text.rstrip("!")
    wire, _, kind = bare.partition(":")
    hint: Any = UUID if kind else bool if wire.endswith("?") else int if "#" in wire else str
    wire = wire.rstrip("?#")
    marks: list[Any] = [Wire(name=wire)]
    if kind:
        marks.append(Names(kind, right="see", every=kind == "project"))
    doc = "which ones; there are none"
    typed = Annotated[hint if required else hint | None, doc, *marks]  # type: ignore[valid-type]
    return (wire, typed) if required else (wire, typed, None)


def declare(name: str, key: str, allow: str, envelope: str, params: str) -> None:
    """Register a list that answers with nothing."""
    words = [*params.split(), "keyword", "page#", "pagesize#"]
    body = {"__doc__": f"List {key}. There are none yet.", "run": run, "__module__": __name__}
    made = make_dataclass(name, map(param, words), frozen=True, kw_only=True, namespace=body)
    register(
        name,
        made,
        returns=NamedView,
        allow=allow,
        key=key,
        shape="list",
        is_async=False,
        creates=False,
        envelope=envelope or f"{name.lower()}response",
        since="4.0",
        action="",
        reads=True,
        public=False,
    )


for line in NOTHING:
    declare(*line)
