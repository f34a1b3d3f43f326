"""DHCP and TFTP on a provisioning interface, by a dnsmasq of our own that ends with us.

Only machines that we know are answered (`dhcp-range=...,static`). What they are given to boot
depends on what asks: iPXE gets our script's URL, a BIOS gets iPXE by TFTP, UEFI by TFTP or HTTP.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from drivers.contract.errors import Unavailable

LEASE_S = 3600
FIRST = 16
"""The first address of the network that machines are given; those below are people's."""

CONF = """\
port=0
bind-interfaces
interface={interface}
except-interface=lo
dhcp-leasefile={folder}/leases
dhcp-range={network},static,{mask},{lease_s}
dhcp-authoritative
log-dhcp
log-facility={folder}/log
pid-file={folder}/pid
enable-tftp
tftp-root={tftp}
dhcp-userclass=set:ipxe,iPXE
dhcp-match=set:efi,option:client-arch,7
dhcp-match=set:efi,option:client-arch,9
dhcp-match=set:efihttp,option:client-arch,16
dhcp-boot=tag:ipxe,{url}/boot/${{net0/mac}}
dhcp-boot=tag:!ipxe,tag:efi,tag:!efihttp,ipxe.efi
dhcp-boot=tag:!ipxe,tag:efihttp,{url}/files/ipxe.efi
dhcp-option-force=tag:!ipxe,tag:efihttp,60,HTTPClient
dhcp-boot=tag:!ipxe,tag:!efi,tag:!efihttp,undionly.kpxe
"""
FIRMWARE = re.compile(r"vendor class: (PXE|HTTP)Client")
ROUTER = "enable-ra\ndhcp-range=::,constructor:{interface},ra-only\n"
"""With an IPv6 network on the interface: saves iPXE the wait for a router that is not there."""


class Dhcp:
    """One interface's dnsmasq. `hosts` are the machines it knows: MAC to address."""

    def __init__(self, interface: str, folder: Path, tftp: Path) -> None:
        self._interface, self._folder, self._tftp = interface, folder, tftp
        self.hosts: dict[str, str] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._net: IPv4Interface | None = None
        self._serves: dict[str, str] = {}

    def on(self, at: IPv4Interface) -> None:
        """The network that it is to serve."""
        self._net = at

    async def start(self, url: str) -> None:
        """Serve the machines that are known now; one that serves others is replaced.

        It is not told by a signal: dnsmasq has given up root by then, and our folder is ours alone.
        """
        at = self._net
        assert at is not None, "not on a network"
        running = self._process is not None and self._process.returncode is None
        if running and self._serves == self.hosts:
            return
        await self.close()
        await asyncio.to_thread(self._write, at, url, await self._has_ipv6())
        self._serves = dict(self.hosts)
        tool = shutil.which("dnsmasq", path="/usr/sbin:/usr/bin:/sbin:/usr/local/sbin")
        if tool is None:
            raise Unavailable("dnsmasq is not installed here: apt-get install dnsmasq-base")
        tied = ("setpriv", "--pdeathsig", "TERM") if shutil.which("setpriv") else ()
        self._process = await asyncio.create_subprocess_exec(
            *tied,
            tool,
            "--keep-in-foreground",
            f"--conf-file={self._folder / 'dnsmasq.conf'}",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await self._process.wait()
        if self._process.returncode is not None:
            assert self._process.stderr is not None
            said = (await self._process.stderr.read()).decode(errors="replace").strip()
            raise Unavailable(
                f"dnsmasq does not run on {self._interface}: {said[-300:]}; if another DHCP server "
                "is there, let it give out our boot script and put dhcp=no into the host's URL"
            )

    async def close(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(5):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    def address_for(self, mac: str, wanted: str, taken: set[str]) -> str:
        """An address of the network for a machine: the one that it had, if it is free."""
        assert self._net is not None, "not on a network"
        taken |= {ip for other, ip in self.hosts.items() if other != mac} | {str(self._net.ip)}
        network = self._net.network
        if wanted and wanted not in taken and IPv4Address(wanted) in network:
            return wanted
        for number in range(FIRST, network.num_addresses - 1):
            if (found := str(network[number])) not in taken:
                return found
        raise Unavailable(f"the network of {self._interface} has no address left for {mac}")

    def lease(self, mac: str) -> str:
        """The line of a machine's lease, which changes whenever it asks anew; or nothing."""
        try:
            lines = (self._folder / "leases").read_text().splitlines()
        except FileNotFoundError:
            return ""
        return next((line for line in lines if f" {mac} " in line), "")

    def asked(self, mac: str, *, by_system: bool = False) -> int:
        """How many requests of a machine dnsmasq has seen; or of its system, not its firmware."""
        try:
            lines = (self._folder / "log").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return 0
        of_firmware = {_transaction(one) for one in lines if FIRMWARE.search(one)}
        asked = (one for one in lines if "DHCPDISCOVER" in one and mac in one)
        return sum(not by_system or _transaction(one) not in of_firmware for one in asked)

    def _write(self, at: IPv4Interface, url: str, ipv6: bool) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        conf = CONF.format(
            interface=self._interface,
            folder=self._folder,
            network=at.network.network_address,
            mask=at.netmask,
            lease_s=LEASE_S,
            tftp=self._tftp,
            url=url,
        )
        conf += ROUTER.format(interface=self._interface) if ipv6 else ""
        hosts = (f"dhcp-host={mac},{ip},{LEASE_S}\n" for mac, ip in sorted(self.hosts.items()))
        (self._folder / "dnsmasq.conf").write_text(conf + "".join(hosts))

    async def _has_ipv6(self) -> bool:
        """Whether the interface has an IPv6 address that is not its own link's alone."""
        text = await asyncio.to_thread(_read, Path("/proc/net/if_inet6"))
        rows = (line.split() for line in text.splitlines())
        return any(row[5] == self._interface and row[3] == "00" for row in rows)


def _transaction(line: str) -> str:
    """The number that dnsmasq puts before each line about one exchange (`log-dhcp`)."""
    return line.partition("]: ")[2].partition(" ")[0]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
