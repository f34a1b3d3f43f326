#!/usr/bin/env python3
"""Nodes of Proxmox VE clusters as hosts: an extension with nothing but Python's own library.

A host is `https://any-node:8006/its-name?pin=sha256:...`, its user an API token
(`cloud@pve!sagastack`) and its password the token's secret; without a name the URL stands for all
nodes of the cluster. Questions come in on the standard input and are answered side by side.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable

from cluster import Cluster
from disks import Disks
from failures import Cancelled, Failure, Refused
from guests import Counters, Guests, Said
from line import Address, Line, part
from marks import DISK, SNAPSHOT

_say, _lines, _counters = threading.Lock(), dict[Address, Line](), Counters()


class Host:
    """A node. Each method that has no `_` is a verb of the contract, with its arguments."""

    def __init__(self, told: Said, gone: threading.Event, tell: Callable[[str], None]) -> None:
        self._address = Address.read(told)
        self._line = _lines.setdefault(self._address, Line(self._address))
        self._cluster = Cluster(self._line, gone, tell)
        self._name = self._address.node

    @property
    def _node(self) -> str:
        """The one that answers, if the URL names none."""
        if not self._name:
            found = self._line.get("/cluster/status")
            self._name = next(one["name"] for one in found if one.get("local"))
        return self._name

    @property
    def _guests(self) -> Guests:
        return Guests(self._cluster, self._node)

    @property
    def _disks(self) -> Disks:
        return Disks(self._cluster, self._node)

    # The host.

    def connect(self) -> None:
        self._status()

    def discover(self) -> list[Said]:
        if self._address.node:
            self._status()
            names = [self._node]
        else:
            names = [one["node"] for one in self._line.get("/nodes") if one["status"] == "online"]
        user = {"username": self._address.user, "password": self._address.secret}
        return [user | {"url": self._address.url(one)} for one in sorted(names)]

    def _status(self) -> Said:
        found: Said = self._line.get(f"/nodes/{part(self._node)}/status")
        return found

    def inspect(self) -> Said:
        found = self._status()
        cluster = [one for one in self._line.get("/cluster/status") if one["type"] == "cluster"]
        above = cluster[0]["name"] if cluster else self._address.host
        return {
            "hardware_id": f"{above}/{self._node}",
            "name": self._node,
            "hypervisor_version": found["pveversion"],
            "cpu_count": found["cpuinfo"]["cpus"],
            "cpu_mhz": int(float(found["cpuinfo"]["mhz"])),
            "memory_bytes": found["memory"]["total"],
            "accelerated": int(found["cpuinfo"].get("hvm", 1)) == 1,
        }

    def host_stats(self) -> Said:
        found, cards = self._status(), self._line.get(f"/nodes/{part(self._node)}/netstat")
        return {
            "cpu_used_percent": min(100.0, 100.0 * found["cpu"]),
            "memory_used_bytes": found["memory"]["used"],
            "network_read_bytes": sum(int(one["in"]) for one in cards),
            "network_write_bytes": sum(int(one["out"]) for one in cards),
            "uptime_s": found["uptime"],
        }

    def guest_stats(self) -> list[Said]:
        return [
            {
                "guest_id": mark.thing.id,
                "cpu_time_ns": _counters.cpu_ns(vm),
                "memory_used_bytes": vm["mem"],
                "disk_read_bytes": vm["diskread"],
                "disk_write_bytes": vm["diskwrite"],
                "network_read_bytes": vm["netin"],
                "network_write_bytes": vm["netout"],
            }
            for vm, mark in self._guests.listed()
            if mark.thing is not None and vm["status"] == "running"
        ]

    # Guests.

    def start_guest(self, spec: Said, key: str) -> Said:
        return self._guests.start(spec, key)

    def stop_guest(self, guest_id: str, grace_s: float, key: str) -> None:
        self._guests.stop(guest_id, grace_s)

    def reboot_guest(self, guest_id: str, force: bool, key: str) -> None:
        self._guests.reboot(guest_id, force=force)

    def remove_guest(self, guest_id: str, key: str) -> None:
        self._guests.remove(guest_id)

    def migrate_guest(self, guest_id: str, target: Said, key: str, moves: list[Said]) -> None:
        if moves:
            raise Refused("disks stay in their storage: move to a node that shares it")
        self._guests.migrate(guest_id, Address.read(target).node)

    def attach_disk(self, guest_id: str, disk: Said, key: str) -> None:
        self._guests.attach_disk(guest_id, disk)

    def detach_disk(self, guest_id: str, volume_id: str, key: str) -> None:
        self._guests.detach(guest_id, volume_id)

    def limit_disk(self, guest_id: str, volume_id: str, limits: Said, key: str) -> None:
        self._guests.limit(guest_id, volume_id, limits)

    def attach_nic(self, guest_id: str, nic: Said, key: str) -> None:
        self._guests.attach_nic(guest_id, nic)

    def detach_nic(self, guest_id: str, nic_id: str, key: str) -> None:
        self._guests.detach(guest_id, nic_id)

    def find_guest(self, guest_id: str) -> Said | None:
        return self._guests.find(guest_id)

    def list_guests(self) -> list[Said]:
        return self._guests.all()

    def console(self, guest_id: str) -> Said:
        """A ticket for the guest's screen, for some seconds: VNC over a WebSocket."""
        vm, _ = self._guests.running(guest_id)
        place = self._cluster.place(vm)
        found = self._line.post(f"{place}/vncproxy", websocket=True, generate_password=True)
        way = f"{self._address.url('').split('?')[0].replace('https', 'wss')}api2/json{place}"
        return {
            "url": f"{way}/vncwebsocket?port={found['port']}&vncticket={part(found['ticket'])}",
            "protocol": "vnc",
            "token": found.get("password") or found["ticket"],
        }

    # Pools, images, disks.

    def open_pool(self, pool: Said) -> Said:
        return self._disks.pools.open(pool)

    def pool_facts(self, pool: Said) -> Said:
        return self._disks.pools.open(pool)

    def keep_image(self, pool: Said, image: Said, key: str) -> str:
        return self._disks.pools.keep(pool, image)

    def list_images(self, pool: Said) -> list[str]:
        return sorted(self._disks.pools.images(pool))

    def drop_image(self, pool: Said, image_id: str, key: str) -> bool:
        """Disks stand alone; a disc stays in the drive that it is in."""
        read = [one for _, mark in self._cluster.marked() for one in mark.holds.values()]
        if any(one.id == image_id for one in read):
            return False
        for volume in self._disks.pools.images(pool).get(image_id, []):
            self._disks.pools.drop(volume)
        return True

    def create_disk(self, pool: Said, disk: Said, key: str) -> Said:
        return self._disks.create(pool, disk)

    def import_disk(self, pool: Said, disk: Said, key: str) -> Said:
        return self._disks.bring(pool, disk)

    def resize_disk(self, pool: Said, volume_id: str, size_bytes: int, key: str) -> Said:
        return self._disks.resize(self._disks.disk(pool, volume_id), size_bytes)

    def remove_disk(self, pool: Said, volume_id: str, key: str) -> None:
        self._disks.remove(self._disks.disk(pool, volume_id))

    def find_disk(self, pool: Said, volume_id: str) -> Said | None:
        return self._disks.find(self._disks.disk(pool, volume_id))

    def list_disks(self, pool: Said) -> list[Said]:
        return self._disks.listed(pool, DISK)

    def snapshot_disk(self, pool: Said, volume_id: str, snapshot_id: str, key: str) -> Said:
        disks = self._disks
        return disks.keep(disks.disk(pool, volume_id), disks.snapshot(pool, snapshot_id))

    def remove_snapshot(self, pool: Said, snapshot_id: str, key: str) -> None:
        self._disks.remove(self._disks.snapshot(pool, snapshot_id))

    def find_snapshot(self, pool: Said, snapshot_id: str) -> Said | None:
        return self._disks.find(self._disks.snapshot(pool, snapshot_id))

    def list_snapshots(self, pool: Said) -> list[Said]:
        return self._disks.listed(pool, SNAPSHOT)

    def revert_disk(self, pool: Said, volume_id: str, snapshot_id: str, key: str) -> Said:
        disks = self._disks
        return disks.revert(disks.disk(pool, volume_id), disks.snapshot(pool, snapshot_id))

    def copy_disk(self, source: Said, pool: Said, disk: Said, key: str) -> Said:
        disks = self._disks
        of = disks.snapshot if source["is_snapshot"] else disks.disk
        target = disks.disk(pool, disk["volume_id"])
        return disks.copy(of(source["pool"], source["disk_id"]), target, disk["size_bytes"])


# The pipes.


def say(told: Said) -> None:
    with _say:
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def work(ask: Said, gone: threading.Event) -> None:
    """Answer one question, unless nobody waits any more."""
    number = ask["id"]

    def tell(text: str) -> None:
        say({"id": number, "progress": 0, "text": text})

    try:
        host = Host(ask["host"], gone, tell)
        verb = None if ask["verb"].startswith("_") else getattr(host, ask["verb"], None)
        if verb is None:
            raise Refused(f"this program has no verb {ask['verb']}")
        say({"id": number, "value": verb(**ask["arguments"])})
    except Cancelled:
        return
    except Failure as error:
        kind = next(
            one.__name__ for one in type(error).__mro__
            if one.__name__ in ("Refused", "Unavailable", "Unknown")
        )  # fmt: skip
        say({"id": number, "error": kind, "text": str(error)})


def main() -> None:
    asked: dict[int, threading.Event] = {}
    for line in sys.stdin:
        ask = json.loads(line)
        if ask.get("cancel"):
            if (gone := asked.pop(ask["id"], None)) is not None:
                gone.set()
            continue
        asked = {number: one for number, one in asked.items() if not one.is_set()}
        gone = asked[ask["id"]] = threading.Event()
        threading.Thread(target=work, args=(ask, gone), daemon=True).start()
    sys.stdout.flush()
    os._exit(0)  # What Proxmox VE does for us goes on, and is found again.


if __name__ == "__main__":
    main()
