"""Guests that no controller made, taken over as they run, and ours let go of.

A domain cannot change its id or its name while it runs. So an adopted one is known by its
metadata: our id, the domain's own id (that a copy of the metadata names nobody), and what its
disks and cards are called. After its next start it is a domain like every other of ours.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from drivers.contract.compute import Adoption, Power, Stranger, StrangerDisk, StrangerNic
from drivers.contract.errors import Refused
from drivers.libvirt.client import Client, Connection
from drivers.libvirt.observe import KIB, POWER, Domain
from drivers.libvirt.shell import Shell
from drivers.libvirt.translate import NAMESPACE

INFO = 'qemu-img info -U --output=json -- "$1" && readlink -f -- "$1"'


def adopted(connection: Connection, guest_id: UUID) -> Any | None:
    """The domain that was adopted under this id, or None."""
    for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        with suppress(libvirt.libvirtError):  # it has no metadata of ours, or has just gone
            note = ET.fromstring(domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE, 0))
            if (note.get("id"), note.get("adopted")) == (str(guest_id), domain.UUIDString()):
                return domain
    return None


async def survey(client: Client, shell: Shell) -> list[Stranger]:
    found = await client.read(_strangers, doing="look for strangers")
    return [await _described(shell, domain, power) for domain, power in found]


def _strangers(connection: Connection) -> list[tuple[Domain, Power]]:
    found = []
    for domain in connection.listAllDomains():
        with suppress(libvirt.libvirtError):  # it went away between two lines
            state = Domain.read(domain.XMLDesc(0))
            if state.guest_id is None:
                found.append((state, POWER.get(domain.state()[0], Power.CRASHED)))
    return found


async def _described(shell: Shell, domain: Domain, power: Power) -> Stranger:
    root = domain.root
    disks = []
    for disk in root.findall("devices/disk[@device='disk']"):
        source, target = disk.find("source"), disk.find("target")
        if source is not None and target is not None:
            disks.append(await _disk(shell, target.get("dev", ""), source.get("file", "")))
    nics = []
    for card in root.findall("devices/interface"):
        mac, source = card.find("mac"), card.find("source")
        bridge = "" if source is None else source.get("bridge", "")
        nics.append(StrangerNic(mac="" if mac is None else mac.get("address", ""), bridge=bridge))
    vcpu = root.find("vcpu")
    cores = "0" if vcpu is None else vcpu.get("current") or vcpu.text or "0"
    return Stranger(
        name=root.findtext("name", ""),
        power=power,
        cpu_count=int(cores),
        memory_mib=int(root.findtext("memory", "0")) // KIB,
        disks=tuple(disks),
        nics=tuple(nics),
    )


async def _disk(shell: Shell, label: str, path: str) -> StrangerDisk:
    """What kind of image it is; one that cannot be read is told of all the same."""
    done = await shell.run("sh", "-uc", INFO, "sh", path)
    if done.code:
        return StrangerDisk(label=label, path=path, size_bytes=0, image_format="unknown")
    facts, _, real = done.stdout.rstrip("\n").rpartition("\n")
    told = json.loads(facts)
    return StrangerDisk(
        label=label, path=real, size_bytes=told["virtual-size"], image_format=told["format"]
    )


async def adopt(client: Client, shell: Shell, stranger: str, ask: Adoption, *, key: UUID) -> None:
    """Write into the domain's metadata whose it is. Images may have been renamed meanwhile."""
    named = await client.read(lambda c: _disk_files(c, stranger), doing="look at its disks")
    files = {}
    for file in named:
        done = await shell.run("readlink", "-f", "--", file)
        files[done.stdout.strip()] = file

    def work(connection: Connection) -> None:
        if adopted(connection, ask.guest_id) is not None:
            return
        domain = _named(connection, stranger)
        if domain is None or not domain.isActive():
            raise Refused(f"there is no guest {stranger} that runs on {connection.getHostname()}")
        if Domain.read(domain.XMLDesc(0)).guest_id is not None:
            raise Refused(f"guest {stranger} is a controller's already")
        note = ET.Element("guest", id=str(ask.guest_id), adopted=domain.UUIDString())
        note.set("key", str(key))
        note.set("name", ask.name)
        for thing, path in ask.disks:
            ET.SubElement(note, "part", {"id": str(thing), "is": files.get(path, path)})
        for thing, mac in ask.nics:
            ET.SubElement(note, "part", {"id": str(thing), "is": mac})
        _note(domain, ET.tostring(note, encoding="unicode"))

    await client.change(work, about=ask.guest_id, doing=f"adopt guest {stranger}")


async def disown(client: Client, guest_id: UUID) -> None:
    """Take our note away. libvirt keeps the definition of what we made: we do no longer."""

    def work(connection: Connection) -> None:
        try:
            domain = connection.lookupByUUIDString(str(guest_id))
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise
            domain = adopted(connection, guest_id)
        if domain is None or Domain.read(domain.XMLDesc(0)).guest_id != guest_id:
            return
        _note(domain, None)
        if not domain.isPersistent() and domain.UUIDString() == str(guest_id):
            connection.defineXML(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE))

    await client.change(work, about=guest_id, doing=f"let go of guest {guest_id}")


def _disk_files(connection: Connection, name: str) -> tuple[str, ...]:
    domain = _named(connection, name)
    return () if domain is None else Domain.read(domain.XMLDesc(0)).disk_paths


def _named(connection: Connection, name: str) -> Any | None:
    try:
        return connection.lookupByName(name)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise


def _note(domain: Any, text: str | None) -> None:
    flags = libvirt.VIR_DOMAIN_AFFECT_LIVE
    if domain.isPersistent():
        flags |= libvirt.VIR_DOMAIN_AFFECT_CONFIG
    element = libvirt.VIR_DOMAIN_METADATA_ELEMENT
    domain.setMetadata(element, text, None if text is None else "sagastack", NAMESPACE, flags)
