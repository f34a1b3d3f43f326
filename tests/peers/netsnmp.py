"""net-snmp's own tools: `snmptrapd` takes traps on loopback, and reads them by our MIB file.

Debian does not ship the standard's own modules for their licence's sake, so the few definitions
that our MIB imports are written here; net-snmp knows the macros by itself.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
WAIT_S = 60
MODULES = {
    "SNMPv2-SMI": """
        org OBJECT IDENTIFIER ::= { iso 3 }
        dod OBJECT IDENTIFIER ::= { org 6 }
        internet OBJECT IDENTIFIER ::= { dod 1 }
        private OBJECT IDENTIFIER ::= { internet 4 }
        enterprises OBJECT IDENTIFIER ::= { private 1 }
        MODULE-IDENTITY MACRO ::= BEGIN END
        OBJECT-TYPE MACRO ::= BEGIN END
        NOTIFICATION-TYPE MACRO ::= BEGIN END""",
    "SNMPv2-CONF": """
        OBJECT-GROUP MACRO ::= BEGIN END
        NOTIFICATION-GROUP MACRO ::= BEGIN END
        MODULE-COMPLIANCE MACRO ::= BEGIN END""",
    "SNMPv2-TC": """
        TEXTUAL-CONVENTION MACRO ::= BEGIN END""",
    "SNMP-FRAMEWORK-MIB": """
        IMPORTS TEXTUAL-CONVENTION FROM SNMPv2-TC;
        SnmpAdminString ::= TEXTUAL-CONVENTION
            DISPLAY-HINT "255t"
            STATUS current
            DESCRIPTION "UTF-8 text."
            SYNTAX OCTET STRING (SIZE (0..255))""",
}


def tool(name: str) -> str:
    """The path of one of net-snmp's tools; without it a test is skipped, or fails if required."""
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    if found is None:
        message = f"{name} is missing: apt-get install snmp snmptrapd"
        if os.environ.get("SAGASTACK_REQUIRE_PEERS"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def by_our_mib(folder: Path) -> list[str]:
    """Options that let a tool read our MIB; what that imports is written into `folder`."""
    folder.mkdir(exist_ok=True)
    for name, body in MODULES.items():
        text = f"{name} DEFINITIONS ::= BEGIN\n{body}\nEND\n"
        (folder / f"{name}.txt").write_text(text)
    return ["-M", f"{folder}:{DEPLOY}", "-m", "SAGASTACK-MIB"]


async def translated(folder: Path, name: str) -> str:
    """The numeric object identifier of a name of our MIB."""
    command = (tool("snmptranslate"), *by_our_mib(folder), "-On", f"SAGASTACK-MIB::{name}")
    child = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(WAIT_S):
        printed, said = await child.communicate()
    assert child.returncode == 0, said.decode()
    return printed.decode().strip().removeprefix(".")


@dataclass
class TrapDaemon:
    port: int
    _lines: asyncio.StreamReader

    async def next(self) -> str:
        """The next trap as one line: names and values, in the order of the trap."""
        async with asyncio.timeout(WAIT_S):
            while True:
                line = (await self._lines.readline()).decode()
                assert line, "snmptrapd has ended"
                if line.startswith("TRAP "):
                    return line.strip()


@asynccontextmanager
async def trap_daemon(folder: Path, community: str) -> AsyncIterator[TrapDaemon]:
    """snmptrapd on a free port of loopback; it takes traps of one community."""
    program, mib = tool("snmptrapd"), by_our_mib(folder / "mibs")
    config = folder / "snmptrapd.conf"
    config.write_text(f"authCommunity log {community}\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    child = await asyncio.create_subprocess_exec(
        *(program, "-f", "-Lo", "-n", "-C", "-c", str(config), *mib, "-Oa"),
        *("-F", "TRAP %v\\n", f"udp:127.0.0.1:{port}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"SNMP_PERSISTENT_DIR": str(folder)},
    )
    assert child.stdout is not None
    try:
        async with asyncio.timeout(WAIT_S):
            while "NET-SNMP version" not in (line := (await child.stdout.readline()).decode()):
                assert line, f"snmptrapd did not start on port {port}"
        yield TrapDaemon(port, child.stdout)
    finally:
        child.terminate()
        await child.wait()
