"""What a host is: asked once when it is added, and again at each reconnection."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from drivers.contract.compute import GuestSpec, HostFacts
from drivers.contract.errors import DriverError, Refused, Unavailable
from drivers.libvirt import probe
from drivers.libvirt.client import Connection
from drivers.libvirt.kinds import Kind
from drivers.libvirt.line import Line
from drivers.libvirt.observe import HostDescription, read_capabilities
from drivers.libvirt.offers import Offers, check_offers, read_offers
from drivers.libvirt.probe import Acceleration
from drivers.libvirt.profile import HostProfile
from drivers.libvirt.shell import Shell

MIB = 1024 * 1024
VCPUS_MAX = 288
MHZ_UNKNOWN = 1000
CAPABILITIES = ("hvm", "disk_hot_plug", "nic_hot_plug", "live_migration")
MHZ = "sed -n 's/^cpu MHz[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/cpuinfo | head -n 1"


async def learn(
    line: Line, kind: Kind, *, before: tuple[HostFacts, HostProfile] | None
) -> tuple[HostFacts, HostProfile]:
    """Ask libvirt, decide about acceleration, and make the folder for serial logs."""
    settings = line.settings
    name, version, info, xml = await line.client.read(_ask, doing="inspect the host")
    host = read_capabilities(xml, where=name, runs=kind.runs, lacking=kind.package)
    verdict = Acceleration(True, f"{kind.name}: guests run on the processor itself")
    if kind.emulates:
        verdict = await probe.acceleration(host, line.shell, settings, line.state)
    if settings.log_dir:
        done = await line.shell.run("mkdir", "-p", "--", settings.log_dir)
        if done.code:
            raise Unavailable(f"{name}: no folder for serial logs: {done.complaint}")
    facts = HostFacts(
        hardware_id=host.hardware_id or await _own_id(line.shell, name),
        name=name,
        hypervisor_version=_dotted(version),
        cpu_count=info[2],
        cpu_mhz=host.rated_mhz or info[3] or await _mhz(line.shell),
        memory_bytes=info[1] * MIB,
        accelerated=verdict.usable,
        capabilities=CAPABILITIES if kind.emulates else kind.runs,
        detail=verdict.detail,
    )
    profile = HostProfile(
        accelerated=verdict.usable,
        emulator=host.emulator,
        weighs_cpu=before is None or before[1].weighs_cpu,
        default_bridge=settings.default_bridge,
        bridge_kind=settings.bridge_kind,
        disk_cache=settings.disk_cache,
        vnc_listen=settings.vnc_listen,
        log_dir=settings.log_dir,
        config_dir=settings.config_dir,
        init=settings.init,
        link_dir=settings.link_dir,
        xen_kernel=settings.xen_kernel,
        xen_initrd=settings.xen_initrd,
        offers=await _offers(line, kind, host, xml, accelerated=verdict.usable, cpu_count=info[2]),
    )
    return facts, profile


async def _offers(
    line: Line,
    kind: Kind,
    host: HostDescription,
    xml: str,
    *,
    accelerated: bool,
    cpu_count: int,
) -> Offers:
    if not kind.emulates:
        return Offers(cpu_count=cpu_count)
    domain = "kvm" if accelerated else "qemu"
    emulated = await line.client.read(
        lambda c: c.getDomainCapabilities(host.emulator, "x86_64", "q35", domain, 0),
        doing="ask what guests can be given",
    )
    return read_offers(xml, emulated, accelerated=accelerated, cpu_count=cpu_count)


def check_fits(spec: GuestSpec, host: HostFacts, offers: Offers) -> None:
    """Refuse what not even the empty host could hold; what is free now is the allocator's."""
    if spec.memory_mib * MIB > host.memory_bytes:
        raise Refused(
            f"guest {spec.name}: {spec.memory_mib} MiB are more than the "
            f"{host.memory_bytes // MIB} MiB of host {host.name}"
        )
    if spec.cpu_count > VCPUS_MAX:
        raise Refused(f"guest {spec.name}: {spec.cpu_count} vCPUs; QEMU gives {VCPUS_MAX}")
    check_offers(spec, offers, where=host.name)


def _ask(connection: Connection) -> tuple[str, int, list[Any], str]:
    return (
        connection.getHostname(),
        connection.getVersion(),
        connection.getInfo(),
        connection.getCapabilities(),
    )


def _dotted(version: int) -> str:
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"


async def _own_id(shell: Shell, name: str) -> str:
    """What a machine calls itself where its libvirt does not say: Xen's does not."""
    try:
        done = await shell.run("cat", "/etc/machine-id")
    except DriverError:
        return str(uuid5(NAMESPACE_DNS, name))
    return done.stdout.strip() or str(uuid5(NAMESPACE_DNS, name))


async def _mhz(shell: Shell) -> int:
    try:
        done = await shell.run("sh", "-c", MHZ)
    except DriverError:
        return MHZ_UNKNOWN
    return int(done.stdout.strip() or MHZ_UNKNOWN)
