"""The cloud that a cluster is tried on: small hosts, a small pool of addresses, several tenants."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.chaos.client import Client, Patience, Refused
from tests.chaos.models import Addresses
from tests.infra.build import Built, data_center

PASSWORD = "a-tenant-password-4711"
# Five or six guests fit on each of the four hosts.
SMALL = "?cpus=8&memory_gib=3"
# Together the two accounts may have more addresses than there are.
POOL = [f"198.51.100.{number}" for number in range(10, 18)]
ADDRESSES_EACH = 5
# Its clients want more than the first tenant may have.
GUESTS_EACH = 4


class Operator:
    """The first admin as `tests.infra.build` wants one: a job is waited for."""

    def __init__(self, client: Client, until_s: float) -> None:
        self.client, self._until_s = client, until_s

    async def __call__(self, command: str, **params: Any) -> Any:
        answer = await self.client.ask(0, command, **params)
        if "jobid" not in answer or command.startswith("list"):
            return answer
        told = await self.client.waited(Patience(self._until_s), answer["jobid"])
        if told.refusal is not None:
            raise told.refusal
        assert told.answer is not None, f"{command} did not end"
        return told.answer


@dataclass
class Place:
    """What was built, and a client of each account."""

    admin: Client
    built: Built
    shape: dict[str, Any]
    model: Addresses
    visitor: tuple[str, str] = ("tenant-0", PASSWORD)
    tenants: dict[str, Client] = field(default_factory=dict)
    sharers: dict[str, Client] = field(default_factory=dict)
    networks: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)
    most_guests: dict[str, int] = field(default_factory=dict)

    @property
    def clients(self) -> list[Client]:
        return [self.admin, *self.tenants.values(), *self.sharers.values()]


async def build(
    session: aiohttp.ClientSession,
    endpoints: list[str],
    keys: tuple[str, str],
    *,
    seed: int,
    until_s: float,
    tenants: int,
) -> Place:
    """Everything by the API, at the first server."""
    rng = random.Random(f"{seed}/clients")
    api = Operator(Client(session, endpoints, *keys, rng), until_s)
    built = await data_center(api, size=SMALL)  # type: ignore[arg-type]
    await api("updateConfiguration", name="allow.user.expunge.recover.vm", value="true")
    size = await api("listServiceOfferings", name="Small Instance")
    image = await api("listTemplates", templatefilter="featured", hypervisor="Simulator")
    shape = {
        "zoneid": built.zone,
        "serviceofferingid": size["serviceoffering"][0]["id"],
        "templateid": image["template"][0]["id"],
    }
    limits = tuple((name, ADDRESSES_EACH) for name in ("xerxes", "yves"))
    place = Place(api.client, built, shape, Addresses(frozenset(POOL), limits))
    for number in range(tenants):
        name = f"tenant-{number}"
        place.tenants[name] = await _account(api, session, endpoints, name, None, rng)
        place.most_guests[name] = GUESTS_EACH + number
        domain = (await api("listAccounts", name=name, listall=True))["account"][0]["domainid"]
        most = {"resourcetype": 0, "max": place.most_guests[name]}
        await api("updateResourceLimit", account=name, domainid=domain, **most)
    await _sharers(api, place, session, endpoints, rng)
    return place


async def _account(
    api: Operator,
    session: aiohttp.ClientSession,
    endpoints: list[str],
    name: str,
    domain_id: str | None,
    rng: random.Random,
) -> Client:
    person = {"email": "t@example.org", "firstname": "T", "lastname": "T"}
    made = await api(
        "createAccount",
        username=name,
        password=PASSWORD,
        accounttype=0,
        domainid=domain_id,
        **person,
    )
    keys = (await api("registerUserKeys", id=made["account"]["user"][0]["id"]))["userkeys"]
    return Client(session, endpoints, keys["apikey"], keys["secretkey"], rng)


async def _sharers(
    api: Operator,
    place: Place,
    session: aiohttp.ClientSession,
    endpoints: list[str],
    rng: random.Random,
) -> None:
    """A domain with a range of its own, and two accounts that share it and nothing else."""
    domain = (await api("createDomain", name="sharers"))["domain"]["id"]
    await api(
        "createVlanIpRange",
        zoneid=place.built.zone,
        domainid=domain,
        gateway="198.51.100.1",
        netmask="255.255.255.0",
        startip=POOL[0],
        endip=POOL[-1],
        vlan="untagged",
        forvirtualnetwork=True,
    )
    offerings = await api(
        "listNetworkOfferings", guestiptype="Isolated", state="Enabled", forvpc=False
    )
    isolated = next(
        one
        for one in offerings["networkoffering"]
        if any(service["name"] == "SourceNat" for service in one["service"])
    )
    for name, limit in place.model.limits:
        client = await _account(api, session, endpoints, name, domain, rng)
        place.sharers[name] = client
        account = (await api("listAccounts", name=name, domainid=domain))["account"][0]
        place.accounts[name] = account["id"]
        await api(
            "updateConfiguration",
            name="use.system.public.ips",
            value="false",
            accountid=account["id"],
        )
        await api("updateResourceLimit", account=name, domainid=domain, resourcetype=1, max=limit)
        network = await client.ask(
            0,
            "createNetwork",
            name=f"{name}-net",
            displaytext=f"{name}-net",
            zoneid=place.built.zone,
            networkofferingid=isolated["id"],
        )
        place.networks[name] = network["network"]["id"]
        for number in range(2):
            first = f"{name}-group-{number}"
            made = await client.ask(0, "createInstanceGroup", name=first)
            place.groups[made["instancegroup"]["id"]] = first


async def is_quiet(client: Client, server: int) -> bool:
    """Whether a server knows of no job that goes on."""
    try:
        jobs = await client.ask(server, "listAsyncJobs", listall=True, page=1, pagesize=500)
    except Refused:
        return False
    return all(job["jobstatus"] != 0 for job in jobs.get("asyncjobs", []))
