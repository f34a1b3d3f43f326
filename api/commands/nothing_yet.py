"""Lists of what does not exist yet. Clients ask for them, so they answer: nothing, well formed.

Clients and consoles ask these beside what they really want. A noun that comes to exist takes its
line out of here.

A line is `command key roles: parameters`. `zoneid:zone` is an id of that noun, `forvpc?` a flag,
`id#` a number, `services*` words with commas, anything else text; `!` is required, and OWNED is
what every list of owned things takes. `key@envelope` says an envelope that is irregular.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import make_dataclass
from typing import Annotated, Any
from uuid import UUID

from api.authz import noun
from api.declare import Bound, Caller, Free, Names, Page, Wire, register
from api.lists import cut
from api.views.infrastructure import NamedView

OWNED = "account domainid:domain isrecursive? listall? projectid:project"

NOTHING = """
listAutoScalePolicies autoscalepolicy ARDU: OWNED action id:autoscale_policy name
listAutoScaleVmProfiles autoscalevmprofile ARDU: OWNED id:autoscale_profile
    serviceofferingid:service_offering templateid:template zoneid:zone
listAutoScaleVmGroups autoscalevmgroup ARDU: OWNED id:autoscale_group name zoneid:zone
listKubernetesClusters kubernetescluster ARDU: OWNED id:kubernetes_cluster name state
listKubernetesSupportedVersions kubernetessupportedversion ARDU: id:kubernetes_version zoneid:zone
listLdapConfigurations LdapConfiguration@ldapconfigurationresponse ARDU: domainid:domain hostname
    listall? port#
listObjectStoragePools objectstore ARDU: id:object_store name provider
listSwifts imagestore A: id#
"""

# No id of these is known to anybody, so it does not matter yet how they will be guarded.
NOUNS = """
autoscale_policy autoscale_profile autoscale_group kubernetes_cluster kubernetes_version
"""
for one_noun in NOUNS.split():
    noun(one_noun, "owned")
noun("object_store", "admin")


async def run(self: Any, caller: Caller) -> Page:
    """There is nothing, whatever was asked; paging is checked all the same."""
    return Page(0, cut([], self.page, self.pagesize, caller))


def param(text: str) -> tuple[Any, ...]:
    """One parameter, as the lines above write it, as a field of the command."""
    required, bare = text.endswith("!"), text.rstrip("!")
    wire, names, kind = bare.partition(":")
    one: Any = UUID if kind not in ("", "?") else bool if wire.endswith("?") else str
    one = int if wire.endswith("#") else one
    hint: Any = tuple[one, ...] if wire.endswith("*") else one
    wire = wire.rstrip("?#*")
    marks: list[Any] = [Wire(name=wire)]
    if kind == "?":
        marks.append(Free("there is nothing that it could name"))
    elif names:
        marks.append(Names(kind, right="see", every=kind == "project"))
    elif wire in ("page", "pagesize"):
        marks.append(Bound(1 if wire == "page" else -1))
    doc = "which ones; there are none"
    typed = Annotated[hint if required else hint | None, doc, *marks]  # type: ignore[valid-type]
    return (wire, typed) if required else (wire, typed, None)


def declare(name: str, key: str, allow: str, params: str) -> None:
    """Register a list that answers with nothing."""
    words = [*params.replace("OWNED", OWNED).split(), "keyword", "page#", "pagesize#"]
    key, _, envelope = key.partition("@")
    body = {"__doc__": f"List {key}. There are none yet.", "run": run, "__module__": __name__}

    def make() -> type[Any]:
        fields = map(param, words)
        return make_dataclass(name, fields, frozen=True, kw_only=True, namespace=body)

    register(
        name,
        type(name, (), body),
        make,
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


def lines() -> Iterator[tuple[str, str, str, str]]:
    """Each line of the table above, taken apart; an indented line goes on with the one before."""
    for line in NOTHING.replace("\n    ", " ").strip().splitlines():
        head, _, params = line.partition(": ")
        name, key, allow = head.split()
        yield name, key, allow, params


for one_line in lines():
    declare(*one_line)
