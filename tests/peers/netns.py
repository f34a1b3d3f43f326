"""A small internet: two bridges, and namespaces on them that stand for machines.

All of it lies in a network namespace of its own, with its own list of named namespaces: nothing on
this machine sees it (a browser breaks off what it loads when a network interface comes or goes),
no packet leaves it, and it goes with the process that holds it, which ends when we do.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from drivers.libvirt.shell import LocalShell, Output

ANSWER_S = 20.0
HOLD = """
mount -t sysfs sysfs /sys && mkdir -p /run/netns && mount -t tmpfs netns /run/netns &&
  ip link set lo up && echo ready && exec cat
"""
SERVER = """
import socketserver, sys
class Tell(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(f"{sys.argv[2]} {self.client_address[0]}".encode())
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
with Server(("0.0.0.0", int(sys.argv[1])), Tell) as server:
    print("ready", flush=True)
    server.serve_forever()
"""
WEB = """
import http.server, sys
class Tell(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        word = f"{sys.argv[2]} {self.headers.get('Cookie', '-')}".encode()
        self.send_response(200 if self.path != "/ill" else 503)
        self.send_header("Set-Cookie", f"own={sys.argv[2]}")
        self.send_header("Content-Length", str(len(word)))
        self.end_headers()
        self.wfile.write(word)
    def log_message(self, *said): pass
with http.server.ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Tell) as server:
    print("ready", flush=True)
    server.serve_forever()
"""
# Asks once for a page with this cookie; what it was told, and which cookies.
BROWSER = """
import sys, urllib.request
ask = urllib.request.Request(sys.argv[1], headers={"Cookie": sys.argv[2]} if sys.argv[2] else {})
with urllib.request.urlopen(ask, timeout=float(sys.argv[3])) as got:
    print(got.read().decode())
    print("; ".join(one.partition(";")[0] for one in got.headers.get_all("Set-Cookie", [])))
"""
_numbers = count(1)


def missing() -> str:
    """What this machine lacks."""
    if os.geteuid() != 0:
        return "root (network namespaces)"
    tools = ("ip", "nft", "dnsmasq", "haproxy", "busybox", "flock")
    lacking = [one for one in tools if shutil.which(one) is None]
    return f"programs: {', '.join(lacking)}" if lacking else ""


class Inside(LocalShell):
    """A command line within the namespaces of a process, and its files are ours."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self.enter = ("nsenter", "--target", str(pid), "--mount", "--net", "--")

    async def run(self, *argv: str, timeout_s: float = ANSWER_S) -> Output:
        return await super().run(*self.enter, *argv, timeout_s=timeout_s)

    async def must(self, *argv: str) -> str:
        done = await self.run(*argv)
        assert done.code == 0, f"{' '.join(argv)}: {done.complaint}"
        return done.stdout


@dataclass(frozen=True, slots=True)
class Machine:
    """A namespace with one card, `eth0`, on a bridge."""

    name: str
    mac: str
    inside: Inside

    async def run(self, *argv: str) -> Output:
        """A command in it."""
        return await self.inside.run("ip", "netns", "exec", self.name, *argv)

    async def address(self, cidr: str, gateway: str = "") -> None:
        await self.inside.must("ip", "-n", self.name, "addr", "add", cidr, "dev", "eth0")
        if gateway:
            await self.inside.must("ip", "-n", self.name, "route", "add", "default", "via", gateway)

    async def lease(self) -> dict[str, str]:
        """Ask for an address by DHCP, and take what is offered: what it was told, by name."""
        script = (
            "#!/bin/sh\n"
            '[ "$1" = bound ] || exit 0\n'
            "ip addr replace $ip/$mask dev eth0; ip route replace default via $router\n"
            'echo "lease ip=$ip mask=$mask router=$router dns=$dns domain=$domain name=$hostname"\n'
        )
        with TemporaryDirectory() as folder:
            path = await asyncio.to_thread(_script, folder, script)
            asked = ("busybox", "udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", "5", "-T", "1")
            done = await self.run(*asked, "-s", path)
        told = next((line for line in done.stdout.splitlines() if line.startswith("lease ")), "")
        return dict(pair.split("=", 1) for pair in told.split()[1:] if "=" in pair)

    @asynccontextmanager
    async def serving(self, port: int, word: str, server: str = SERVER) -> AsyncIterator[None]:
        """Answer each connection to a port with a word, and with who called."""
        process = await asyncio.create_subprocess_exec(
            *self.inside.enter,
            *("ip", "netns", "exec", self.name, sys.executable, "-c", server, str(port), word),
            stdout=subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(ANSWER_S):
                assert await process.stdout.readline() == b"ready\n"
            yield
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def call(self, address: str, port: int) -> str:
        """What a port answers; empty if nobody answers soon."""
        asked = ("timeout", "2", "busybox", "nc", "-w", "2", address, str(port))
        done = await self.run(*asked)
        return done.stdout.strip() if done.code == 0 else ""

    async def browse(self, url: str, cookie: str = "") -> tuple[str, str]:
        """What a page says, and the cookies that came with it."""
        done = await self.run(sys.executable, "-c", BROWSER, url, cookie, "15")
        assert done.code == 0, done.complaint
        text, cookies = done.stdout.splitlines()
        return text, cookies

    async def is_shut_out(self, url: str) -> bool:
        """Whether nobody answers, or somebody says that there is nobody."""
        return (await self.run(sys.executable, "-c", BROWSER, url, "", "1.5")).code != 0

    async def pings(self, address: str) -> bool:
        return (await self.run("busybox", "ping", "-c", "1", "-W", "2", address)).code == 0


@dataclass(slots=True)
class Internet:
    """`inside` and `outside` are bridges, for guests and for everybody else."""

    place: Inside
    inside: str = "inside"
    outside: str = "outside"

    async def machine(self, bridge: str) -> Machine:
        number = next(_numbers)
        one = Machine(
            f"machine-{number}", f"02:5a:00:00:{number >> 8:02x}:{number & 255:02x}", self.place
        )
        wire, must = f"wire{number}", self.place.must
        await must("ip", "netns", "add", one.name)
        await must(
            *("ip", "link", "add", wire, "type", "veth", "peer", "name", "eth0"),
            *("address", one.mac, "netns", one.name),
        )
        await must("ip", "link", "set", wire, "master", bridge, "up")
        await must("ip", "-n", one.name, "link", "set", "eth0", "up")
        await must("ip", "-n", one.name, "link", "set", "lo", "up")
        return one


def _script(folder: str, text: str) -> str:
    path = Path(folder, "told")
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


@asynccontextmanager
async def internet() -> AsyncIterator[Internet]:
    holder = await asyncio.create_subprocess_exec(
        *("unshare", "--mount", "--net", "sh", "-c", HOLD),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        async with asyncio.timeout(ANSWER_S):
            assert await holder.stdout.readline() == b"ready\n"
        made = Internet(Inside(holder.pid))
        for bridge in (made.inside, made.outside):
            await made.place.must("ip", "link", "add", bridge, "type", "bridge")
            await made.place.must("ip", "link", "set", bridge, "up")
        yield made
    finally:
        if holder.returncode is None:
            holder.kill()
        await holder.wait()
