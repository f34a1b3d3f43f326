"""No secret is found outside the vault: each gets a value that is looked for everywhere else.

Passwords, keys and shared secrets are given or made over the wire, in requests that succeed and in
requests that are refused. Then every list is asked by everybody, every job, the events, an export
and a checkpoint are read, and the controller's folder is searched byte by byte.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest

from api.declare import Spec
from engine.history import History
from sagastack.tools.export import export
from tests.api.everybody import House, commands, filled, house
from tests.api.test_every_command import FORESEEN
from tests.e2e.server import Api
from tests.e2e.stream import told as events
from tests.rules.certificates import fresh, issue, text
from tests.tenant.world import MAIN, POD, SMALL, ZONE, named

pytestmark = pytest.mark.timeout(300)

PERSONAS = ("root", "boss of ann", "ann", "bob", "boss of bob")
SECRET = re.compile(r"passw|secret|privatekey|ipsecpsk|^token$|2fa|url$")
HARMLESS = ("passwordenabled",)
# A list that tells a secret to those whose it is: its clients expect that.
TOLD_BY = {"listVpnCustomerGateways": "ipsecpsk", "listRemoteAccessVpns": "presharedkey"}
OWNERS = ("root", "boss of ann", "ann")


@dataclass
class Birds:
    """Every canary by what it is the secret of."""

    known: dict[str, str] = field(default_factory=dict)

    def hatch(self, what: str) -> str:
        """A new canary; it is a good password too."""
        return self.keep(what, f"Canary{len(self.known):03d}x{named(what).hex[:12]}Z")

    def keep(self, what: str, secret: str) -> str:
        assert len(secret) > 12, what
        self.known[what] = secret
        return secret

    def sung(self, where: str | bytes) -> list[str]:
        """Which of them can be read here, also in base64."""
        data = where.encode() if isinstance(where, str) else where
        return [what for what, one in self.known.items() if any(f in data for f in _forms(one))]


def _forms(secret: str) -> Iterator[bytes]:
    plain = secret.encode()
    yield plain
    yield json.dumps(secret)[1:-1].encode()
    for shift in range(3):  # wherever in a longer text it begins
        yield base64.b64encode(b"\0" * shift + plain)[4:-4]


async def give(here: House, birds: Birds) -> None:
    """Each secret that there is, in a request that succeeds."""
    hatch, keep = birds.hatch, birds.keep
    person = {"email": "x@example.org", "firstname": "x", "lastname": "x"}
    account = {"username": "carla", "accounttype": "0", **person}
    await here.make("root", "createAccount", password=hatch("an account"), **account)
    mine = {"account": "ann", "domainid": str(named("domain ann"))}
    secret = hatch("a user")
    made = await here.make("root", "createUser", username="dora", password=secret, **person, **mine)
    dora = made["user"]["id"]
    await here.make("root", "updateUser", id=dora, password=hatch("a changed password"))
    own = {"userapikey": "dora-key-of-her-own", "usersecretkey": hatch("a chosen key")}
    await here.make("root", "updateUser", id=dora, **own)
    made = await here.make("root", "registerUserKeys", id=dora)
    keep("a main key", made["userkeys"]["secretkey"])
    made = await here.make("ann", "createUserKey", name="canary")
    keep("a second key", made["userkey"]["secretkey"])
    made = await here.make("ann", "createSSHKeyPair", name="canary")
    pem = made["keypair"]["privatekey"]
    keep("a key pair", pem.splitlines()[3])
    setting = {"name": "enable.user.2fa", "value": "true"}
    await here.make("root", "updateConfiguration", **setting)
    made = await here.make("bob", "setupUserTwoFactorAuthentication")
    keep("a second factor", made["setup2fa"]["secretcode"])
    await networks(here, birds)
    await hosts(here, birds)
    await guests(here, birds)


async def networks(here: House, birds: Birds) -> None:
    hatch = birds.hatch
    await here.make("ann", "addVpnUser", username="canary", password=hatch("a VPN user"))
    agreed = {"ikepolicy": "aes128-sha1;modp1536", "esppolicy": "aes128-sha1", "name": "canary"}
    agreed |= {"gateway": "198.51.100.77", "cidrlist": "192.168.77.0/24"}
    await here.make("ann", "createVpnCustomerGateway", ipsecpsk=hatch("a tunnel"), **agreed)
    shown = await here.make("ann", "listRemoteAccessVpns", listall="true")
    birds.keep("a remote access", shown["remoteaccessvpn"][0]["presharedkey"])
    for what, password in (("a certificate", ""), ("a locked certificate", hatch("a lock"))):
        key = fresh()
        pem = text(key, password)
        birds.keep(what, pem.splitlines()[1])
        more = {"password": password} if password else {}
        cert = issue(what, key, what, key)
        await here.make("ann", "uploadSslCert", name=what, certificate=cert, privatekey=pem, **more)


async def hosts(here: House, birds: Birds) -> None:
    where = {"zoneid": str(ZONE), "podid": str(POD), "clusterid": str(MAIN)}
    where |= {"hypervisor": "Simulator", "url": "sim://canary?cpus=1&mhz=1000&memory_gib=1"}
    await here.make("root", "addHost", username="root", password=birds.hatch("a host"), **where)
    detail = {"details[0].key": "secretkey", "details[0].value": birds.hatch("an image store")}
    store = {"provider": "NFS", "url": "nfs://192.0.2.10/images", "name": "canary"}
    await here.make("root", "addImageStore", **store, **detail)


async def guests(here: House, birds: Birds) -> None:
    template = str(named("template"))
    change = {"id": template, "passwordenabled": "true"}
    await here.make("ann", "updateTemplate", **change)
    ask = {"zoneid": str(ZONE), "serviceofferingid": SMALL, "templateid": template}
    ask["networkids"] = str(here.thing("network"))
    password = birds.hatch("a new guest")
    made = await here.make("ann", "deployVirtualMachine", password=password, name="canary", **ask)
    await here.controller.engine.runner.wait(UUID(made["jobid"]))
    stop = await here.make("ann", "stopVirtualMachine", id=made["id"], forced="true")
    await here.controller.engine.runner.wait(UUID(stop["jobid"]))
    password = birds.hatch("a changed guest")
    reset = {"id": made["id"], "password": password}
    job = await here.make("ann", "resetPasswordForVirtualMachine", **reset)
    await here.controller.engine.runner.wait(UUID(job["jobid"]))


def values(wire: str, one: str) -> Iterator[str]:
    """A canary as people send it, too long, and with what does not belong there."""
    yield f"nfs://root:{one}@192.0.2.9/x"
    yield f"http://root:{one}@192.0.2.9:x/{'y' * 3000}"
    if wire != "url":  # a URL without a password is shown
        yield from (one, one + "x" * 70_000, f"{one}\u0001", f"{one}\r\nX: y", f"{one}[0].x")


async def refuse(here: House, birds: Birds) -> list[str]:
    """Every secret parameter of every command, in requests that are refused or mean nothing."""
    wrong = []
    for value in values("password", birds.hatch("a login")):
        login = {"command": "login", "username": "ann", "password": value, "response": "json"}
        if birds.sung((await here.raw("nobody", login)).body):
            wrong.append("login repeats its password")
    for spec, wire in secrets():
        base = {"command": spec.name, "response": "json"}
        for value in values(wire, birds.hatch(f"{spec.name}.{wire}")):
            full = base | filled(here, spec) | {wire: value}
            for way in (full, full | {"dryrun": "true"}, base | {wire: value}):
                answer = await here.raw("root", way)
                assert answer.status in FORESEEN, (spec.name, answer.body)
                if birds.sung(answer.body) or birds.sung(answer.note):
                    wrong.append(f"{spec.name} repeats its {wire}: {answer.note[:200]}")
    return wrong


def secrets() -> Iterator[tuple[Spec, str]]:
    """The parameters that are secrets, or may hold one."""
    for spec in commands():
        for param in spec.params:
            if SECRET.search(param.wire) and param.wire not in HARMLESS:
                yield spec, param.wire


# The password of a guest is told once, by its job, to the user who asked for it.
PASSWORD_JOBS = ("deployVirtualMachine", "resetPasswordForVirtualMachine")


async def listed(here: House, birds: Birds) -> list[str]:
    """Every list as everybody, and every job as everybody."""
    wrong = []
    for spec in commands():
        if not spec.reads:
            continue
        for who in PERSONAS:
            for more in ({"listall": "true"}, {"asof": "2100-01-01"}):
                known = {k: v for k, v in more.items() if k == "asof" or k in spec.by_wire}
                _, told = await here.ask(who, spec.name, filled(here, spec) | known)
                if spec.name in TOLD_BY and who in OWNERS:
                    for row in told.get(spec.key, ()):
                        row.pop(TOLD_BY[spec.name], None)
                wrong += [f"{spec.name} tells {who} {one}" for one in birds.sung(json.dumps(told))]
    for who in PERSONAS:
        for job in here.cloud.table("saga"):
            _, told = await here.ask(who, "queryAsyncJobResult", {"jobid": str(job.id)})
            heard = birds.sung(json.dumps(told))
            by_design = who == "ann" and job.command in PASSWORD_JOBS
            wrong += [f"job {job.command} tells {who} {one}" for one in heard if not by_design]
    return wrong


async def test_no_secret_is_found_outside_the_vault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    birds, home = Birds(), tmp_path / "home"
    async with house(home) as here:
        await give(here, birds)
        assert len(birds.known) >= 17
        wrong = await refuse(here, birds)
        wrong += await listed(here, birds)
        root = Api(here.controller.endpoint, *here.keys["root"])
        heard = 0
        async for event in events(root, after=0):
            heard += 1
            wrong += [f"event {event.topic}: {one}" for one in birds.sung(json.dumps(event.data))]
            if event.position >= here.position:
                break
        assert heard > 100
        await History(here.controller.log, home / "checkpoints").checkpoint()
        settings = here.controller.settings
    async for line in export(settings, after=0, until=None):
        wrong += [f"the export: {one}" for one in birds.sung(line)]
    wrong += [f"the program's output: {one}" for one in birds.sung(caplog.text)]
    files = [path for path in home.rglob("*") if path.is_file()]
    assert any(path.suffix == ".checkpoint" for path in files)
    for path in files:
        wrong += [f"{path.name}: {one}" for one in birds.sung(path.read_bytes())]
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_a_canary_is_heard() -> None:
    birds = Birds()
    one = birds.hatch("this")
    assert birds.sung(f"..{one}..") == ["this"]
    assert birds.sung(base64.b64encode(f"user:{one}!".encode())) == ["this"]
    assert birds.sung("nothing") == []
