"""Balancers that look into connections, on this machine: who is served by whom, and by whom not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from drivers.contract.errors import Refused
from drivers.contract.routing import Balance, Check, Cookie, Line, Proxied, Traffic
from tests.network.test_real_routers import ANYBODY, FIRST, OUTSIDE, Scene, here
from tests.peers.netns import WEB, Machine

__all__ = ["here"]
PORT, URL = 9000, f"http://{FIRST}:9000/"
LET_IN = Line(address=FIRST, traffic=ANYBODY)
FEWEST = Balance(
    address=FIRST,
    protocol="tcp",
    port=PORT,
    members=(("10.77.0.9", 80), ("10.77.0.10", 80)),
    proxied=Proxied(to_fewest=True),
)


def by(**how: object) -> Balance:
    return replace(FEWEST, proxied=Proxied(**how))  # type: ignore[arg-type]


@pytest.fixture
async def web(here: Scene) -> AsyncIterator[Scene]:
    """Both guests have a page."""
    async with here.one.serving(80, "one", WEB), here.two.serving(80, "two", WEB):
        yield here


async def open_count(machine: Machine) -> int:
    told = (await machine.run("busybox", "netstat", "-tn")).stdout.splitlines()
    return sum(f":{PORT} " in line and "ESTABLISHED" in line for line in told)


async def kept_open(stack: AsyncExitStack, machine: Machine) -> None:
    """A connection that stays, and asks for nothing."""
    before = await open_count(machine)
    held = await asyncio.create_subprocess_exec(
        *(*machine.inside.enter, "ip", "netns", "exec", machine.name),
        *("busybox", "nc", FIRST, str(PORT)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )

    async def end() -> None:
        held.kill()
        await held.wait()

    stack.push_async_callback(end)
    async with asyncio.timeout(10):
        while await open_count(machine) == before:  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.2)  # for haproxy to choose a guest


async def test_whoever_has_fewest_gets_the_next(web: Scene) -> None:
    """Three connections stay open at one guest and the other: of four more, none is far off."""
    await web.tell(balances=(FEWEST,), comes=(LET_IN,))
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await kept_open(stack, web.world)
        first = (await web.world.browse(URL))[0].split()[0]
        assert {(await web.world.browse(URL))[0].split()[0] for _ in range(4)} == {first}
    assert {(await web.world.browse(URL))[0].split()[0] for _ in range(6)} == {"one", "two"}


async def test_only_whom_the_firewall_lets_in(web: Scene) -> None:
    await web.tell(balances=(FEWEST,))
    assert await web.world.is_shut_out(URL), "a closed firewall let somebody in"
    other = Traffic(protocol="tcp", first_port=80, last_port=80)
    elsewhere = Traffic(protocol="tcp", first_port=PORT, sources=("203.0.113.0/24",))
    for line in (Line(address=FIRST, traffic=other), Line(address=FIRST, traffic=elsewhere)):
        await web.tell(balances=(FEWEST,), comes=(line,))
        assert await web.world.is_shut_out(URL), line
    near = Line(address=FIRST, traffic=replace(elsewhere, sources=(f"{OUTSIDE}/32",)))
    await web.tell(balances=(FEWEST,), comes=(near,))
    assert (await web.world.browse(URL))[0]
    closed = replace(FEWEST, sources=("203.0.113.0/24",))
    everything = Line(address=FIRST, traffic=Traffic(protocol="all"))
    await web.tell(balances=(closed,), comes=(everything,))
    assert await web.world.is_shut_out(URL), "the rule's own list says nobody"
    await web.tell(balances=(FEWEST,))
    assert (await web.one.browse(URL))[0], "a guest calls its own balancer by its public address"


async def test_a_cookie_keeps_a_caller_with_its_guest(web: Scene) -> None:
    cookie = Cookie(name="WHERE", words=("indirect", "nocache"))
    await web.tell(balances=(by(cookie=cookie),), comes=(LET_IN,))
    told, cookies = await web.world.browse(URL)
    own = next(one for one in cookies.split("; ") if one.startswith("WHERE="))
    word = told.split()[0]
    for _ in range(4):
        told, _ = await web.world.browse(URL, own)
        assert told == f"{word} -", "it came to another, or saw the balancer's own cookie"
    learnt = Cookie(name="own", is_learnt=True, held="1m")
    await web.tell(balances=(by(cookie=learnt),), comes=(LET_IN,))
    told, cookies = await web.world.browse(URL)
    word = told.split()[0]
    assert {(await web.world.browse(URL, f"own={word}"))[0].split()[0] for _ in range(4)} == {word}


async def test_a_guest_that_is_ill_is_left_out(web: Scene) -> None:
    """Where it does not listen, and where the page that is asked for says so."""
    lost = replace(FEWEST, members=(("10.77.0.9", 80), ("10.77.0.10", 81)))
    await web.tell(balances=(lost,), comes=(LET_IN,))
    assert {(await web.world.browse(URL))[0].split()[0] for _ in range(6)} == {"one"}
    well = Check(path="/", interval_s=1, timeout_s=1, healthy=1, unhealthy=1)
    await web.tell(balances=(by(check=well),), comes=(LET_IN,))
    assert (await web.world.browse(URL))[0]
    await web.tell(balances=(by(check=replace(well, path="/ill")),), comes=(LET_IN,))
    async with asyncio.timeout(20):
        while not await web.world.is_shut_out(URL):  # noqa: ASYNC110 (nobody tells of a check)
            await asyncio.sleep(0.2)


async def test_a_guest_is_told_who_called(here: Scene) -> None:
    """Each guest sees the router; by the PROXY protocol it reads of whom the connection is."""
    reader = """
import socketserver, sys
class Tell(socketserver.StreamRequestHandler):
    def handle(self):
        said = self.rfile.readline().split() or [b"-", b"-", b"-"]
        self.wfile.write(b" ".join(said[:3]) + b" by " + self.client_address[0].encode())
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
with Server(("0.0.0.0", int(sys.argv[1])), Tell) as server:
    print("ready", flush=True)
    server.serve_forever()
"""
    async with here.one.serving(80, "one", reader):
        only = replace(by(tells_caller=True), members=(("10.77.0.9", 80),))
        await here.tell(balances=(only,), comes=(LET_IN,))
        # Whoever hangs up before the guest is reached has no need of it, says haproxy.
        patient = f"sleep 5 | busybox nc {FIRST} {PORT}"
        told = (await here.world.run("sh", "-c", patient)).stdout.strip()
        assert told == f"PROXY TCP4 {OUTSIDE} by 10.77.0.1"


async def test_it_is_mended_changed_and_ended(web: Scene) -> None:
    await web.tell(balances=(FEWEST,), comes=(LET_IN,))
    config = f"{web.folder}/{web.spec.router_id}/haproxy.cfg"
    await web.shell.must("pkill", "-KILL", "-f", config)
    assert "what balances its connections has ended" in await web.trouble()
    await web.tell(balances=(FEWEST,), comes=(LET_IN,))
    assert await web.trouble() == "" and (await web.world.browse(URL))[0]
    async with AsyncExitStack() as stack:
        await kept_open(stack, web.world)
        alone = replace(FEWEST, members=(("10.77.0.10", 80),))
        await web.tell(balances=(alone,), comes=(LET_IN,))
        assert {(await web.world.browse(URL))[0].split()[0] for _ in range(3)} == {"two"}
    wrong = by(cookie=Cookie(name="a b\n  bind :1"))
    with pytest.raises(Refused, match="is no name of a cookie"):
        await web.tell(balances=(wrong,), comes=(LET_IN,))
    assert (await web.world.browse(URL))[0]
    plain = replace(FEWEST, proxied=None)
    await web.tell(balances=(plain,), comes=(LET_IN,))
    assert {(await web.world.browse(URL))[0].split()[0] for _ in range(4)} == {"one", "two"}
    names = 'for pid in $(ip netns pids "$1"); do cat "/proc/$pid/comm"; done'
    asked = ("sh", "-c", names, "sh", f"saga-{web.spec.router_id.hex[:12]}")
    async with asyncio.timeout(5):
        while "haproxy" in (told := (await web.shell.run(*asked)).stdout):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert told.split() == ["dnsmasq"]


async def test_a_host_without_it_does_all_else_and_says_so(web: Scene) -> None:
    program = (await web.shell.must("sh", "-c", "command -v haproxy")).strip()
    await web.shell.must("mount", "--bind", "/dev/null", program)
    plain = replace(FEWEST, port=9001, proxied=None)
    with pytest.raises(Refused, match="apt-get install haproxy"):
        await web.tell(balances=(FEWEST, plain), comes=(LET_IN,))
    assert await web.world.is_shut_out(URL)
    assert (await web.world.browse(f"http://{FIRST}:9001/"))[0]
    assert await web.trouble(), "it will not be tried again"
    await web.shell.must("umount", program)
    await web.tell(balances=(FEWEST, plain), comes=(LET_IN,))
    assert (await web.world.browse(URL))[0] and not await web.trouble()


async def test_what_http_lets_stand_in_names_is_told(here: Scene) -> None:
    """haproxy, which reads some of it otherwise, accepts what it is given."""
    cookie = Cookie(name="a#b'c$`|^~")
    check = Check(path="/it's(a)?x=%20&y='1'!*", interval_s=1, timeout_s=1, healthy=1, unhealthy=1)
    for one in (cookie, replace(cookie, is_learnt=True, from_request=True)):
        await here.tell(balances=(by(cookie=one, check=check),), comes=(LET_IN,))
        assert await here.trouble() == ""
