"""Nobody acts for an account, a domain or a project that is none of its business.

Generated: every command that takes `account`, `domainid` or `projectid`, by everybody who may call
it, for ann, for her domain and for a project of hers. Ids besides are the caller's own (see
`personas`), so that what refuses is what was said of the owner.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.declare import Free, Spec
from tests.api.everybody import House, commands, filled, house
from tests.api.personas import STANDING, Twins, domain_of, settle, share
from tests.api.rule_table import PERSONAS, PROJECT, letter, rule
from tests.tenant.world import named

pytestmark = pytest.mark.timeout(300)

# How it is said that one may not speak for another.
REFUSALS = (
    "may not act for account",
    "is no member of project",
    "may not list domain",
    "entity does not exist",
    "Unable to find account",
    "needs the account that is meant",
    "is no owner of project",
    "may not operate it",
)
MEANT_FOR_OTHERS = (
    "may not act for account",
    f"is no member of project {STANDING}",
    "may not list domain",
)
# What a command needs before it looks at whose it is: a noun of the caller's, or `=` and a text.
MORE = {
    "associateIpAddress": {"zoneid": "zone"},
    "authorizeSecurityGroupEgress": {"securitygroupid": "security_group"},
    "authorizeSecurityGroupIngress": {"securitygroupid": "security_group"},
    "createAccount": {"accounttype": "=0"},
    "createLoadBalancerRule": {"networkid": "network"},
    "createTemplate": {"snapshotid": "snapshot"},
    "createVolume": {"zoneid": "zone", "diskofferingid": "disk_offering"},
    "deleteAffinityGroup": {"name": "=apart"},
    "deleteSecurityGroup": {"name": "=web"},
    "getUploadParamsForIso": {"format": "=ISO"},
    "listResourceDetails": {"resourcetype": "=UserVm"},
    "registerIso": {"bootable": "=false"},
    "registerUserData": {"userdata": "=aGVsbG8="},
    "updateVpnCustomerGateway": {"gateway": "=198.51.100.8"},
}
# They act on what an id of the caller's names, whoever is said besides, and refuse the twin.
BY_ID = ("deleteCniConfiguration", "updateVpnCustomerGateway")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        await settle(one)
        share(one)
        yield one


class Spy:
    """Keeps what the engine was asked to plan."""

    def __init__(self, engine: Any) -> None:
        self._plan, self.asked = engine.plan, list[str]()

    async def plan(self, intent: object, by: Any, *, begun: bool = False) -> Any:
        self.asked.append(repr(intent))
        return await self._plan(intent, by)


def ways(spec: Spec, who: str) -> Iterator[dict[str, str]]:
    """The ways of saying that it is ann's, her domain's or her project's."""
    ann, domain = {"account": "ann"}, {"domainid": str(named("domain ann"))}
    said = [ann | domain, ann, {"projectid": str(STANDING)}]
    if domain_of(who) != named("domain ann"):
        said.append(domain)
    for way in said:
        if all(wire in spec.by_wire and not spec.by_wire[wire].mark(Free) for wire in way):
            yield way


def own(here: House, who: str, spec: Spec) -> dict[str, str]:
    """A command filled with what is the caller's own."""
    twins = Twins(here, who)
    base = filled(twins, spec)
    for wire, kind in MORE.get(spec.name, {}).items():
        base[wire] = kind[1:] if kind.startswith("=") else str(twins.thing(kind))
    return base


async def test_nobody_speaks_for_ann(here: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not is refused for that, or what is planned has nothing to do with her."""
    spy = Spy(here.gateway.engine)
    planned = lambda _, *said, **how: spy.plan(*said, **how)  # noqa: E731
    monkeypatch.setattr(type(here.gateway.engine), "plan", planned)
    start, wrong, refused = here.position, list[str](), 0
    hers = [str(named("account ann")), str(named("domain ann"))]
    for spec in commands():
        for who in PERSONAS:
            if letter(who) not in spec.allow or rule("vm", "owned", "operate", who) == "y":
                continue
            for way in ways(spec, who):
                spy.asked.clear()
                dry = {} if spec.reads else {"dryrun": "true"}
                status, told = await here.ask(who, spec.name, own(here, who, spec) | way | dry)
                text = told.get("errortext", "")
                for_that = status != 200 and any(word in text for word in REFUSALS)
                refused += for_that
                of_ann = [one for one in spy.asked if any(row_id in one for row_id in hers)]
                lives_there = domain_of(who) == named("domain ann")
                if of_ann and not (lives_there and hers[0] not in of_ann[0]):
                    wrong.append(f"{who}: {spec.name} for {way} plans {of_ann}")
                if not (for_that or status == 200 or spy.asked or spec.name in BY_ID):
                    wrong.append(f"{who}: {spec.name} for {way} was not tried: {text}")
                if status == 200 and spec.reads and hers[0] in str(told):
                    wrong.append(f"{who}: {spec.name} for {way} tells of ann")
    assert not wrong, "\n".join(wrong)
    assert here.position == start
    assert refused > 500


async def test_members_and_governors_do(here: House) -> None:
    """The same words are no refusal for those who may say them."""
    wrong, taken = [], 0
    for spec in commands():
        for who in ("root", "boss above", "boss of ann", *PROJECT):
            if letter(who) not in spec.allow:
                continue
            said = {"projectid": str(STANDING)}
            if who not in PROJECT:
                said = {"account": "ann", "domainid": str(named("domain ann"))}
            if not set(said) <= set(spec.by_wire):
                continue
            dry = {} if spec.reads else {"dryrun": "true"}
            _, told = await here.ask(who, spec.name, filled(here, spec) | said | dry)
            text = told.get("errortext", "")
            if any(word in text for word in MEANT_FOR_OTHERS):
                wrong.append(f"{who}: {spec.name} for {sorted(said)}: {text}")
            taken += 1
    assert not wrong, "\n".join(wrong)
    assert taken > 300
