"""Nova's v2.1 API up to the microversion that the region says: servers, their states and tasks.

Each action is refused with 409 in a state or task that does not allow it, as compute's API does.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from uuid import uuid4

from aiohttp import web

from tests.peers.openstack import compute_admin as admin
from tests.peers.openstack import swaps
from tests.peers.openstack.state import (
    ADMIN,
    PROJECT,
    VERSION,
    Region,
    Row,
    body_of,
    check_fields,
    now,
    page,
    wrong,
)

TASK, HOST = "OS-EXT-STS:task_state", "OS-EXT-SRV-ATTR:host"
CREATE_FIELDS: dict[str, Any] = {
    "name": str,
    "flavorRef": (str, int),
    "imageRef": str,
    "tags": list,
    "metadata": dict,
    "block_device_mapping_v2": list,
    "networks": (str, list),
    "host": str,
    "config_drive": (bool, str),
    "user_data": str,
    "key_name": str,
    "adminPass": str,
    "availability_zone": str,
}
REQUIRED = ("name", "flavorRef", "networks")
# Which status an action needs; a task under way forbids all but deletion.
NEEDS = {
    "os-stop": ("ACTIVE", "ERROR"),
    "os-start": ("SHUTOFF",),
    "reboot": ("ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED", "ERROR"),
    "os-migrateLive": ("ACTIVE", "PAUSED"),
    "pause": ("ACTIVE",),
    "unpause": ("PAUSED",),
}
VM_STATE = {"SHUTOFF": "stopped", "ACTIVE": "active", "BUILD": "building", "ERROR": "error"}


class Nova:
    def __init__(self, region: Region) -> None:
        self._region = region

    def routes(self, app: web.Application, prefix: str) -> None:
        one = f"{prefix}/servers/{{id}}"
        for method, path, handler in (
            ("GET", f"{prefix}/", self.version),
            ("GET", f"{prefix}/servers/detail", self.list),
            ("POST", f"{prefix}/servers", self.create),
            ("POST", f"{prefix}/os-keypairs", self.add_key_pair),
            ("DELETE", f"{prefix}/os-keypairs/{{name}}", self.remove_key_pair),
            ("GET", one, self.show),
            ("DELETE", one, self.delete),
            ("POST", f"{one}/action", self.act),
            ("POST", f"{one}/metadata", self.add_metadata),
            ("PUT", f"{one}/tags/{{tag}}", self.tag),
            ("DELETE", f"{one}/tags/{{tag}}", self.untag),
            ("GET", f"{one}/os-interface", self.interfaces),
            ("POST", f"{one}/os-interface", self.plug_port),
            ("DELETE", f"{one}/os-interface/{{port}}", self.unplug_port),
            ("POST", f"{one}/os-volume_attachments", self.plug_volume),
            ("PUT", f"{one}/os-volume_attachments/{{volume}}", self.keep_volume),
            ("DELETE", f"{one}/os-volume_attachments/{{volume}}", self.unplug_volume),
            ("POST", f"{one}/remote-consoles", self.console),
            ("GET", f"{one}/diagnostics", self.diagnose),
            ("GET", f"{one}/os-instance-actions", self.actions),
            ("GET", f"{one}/os-instance-actions/{{request}}", self.action),
        ):
            app.router.add_route(method, path, self._versioned(handler))
        admin.routes(self._region, app, prefix, self._versioned)

    def _versioned(self, handler: Any) -> Any:
        """A microversion that the region does not speak is 406."""

        async def checked(request: web.Request) -> web.StreamResponse:
            said = request.headers.get("OpenStack-API-Version", "compute 2.1")
            service, _, version = said.partition(" ")
            if service == "compute" and _number(version) > _number(self._region.newest_compute):
                raise wrong(406, f"Version {version} is not supported by the API. Minimum is 2.1 "
                            f"and maximum is {self._region.newest_compute}.")  # fmt: skip
            if request.method in ("POST", "PUT") and request.content_type != "application/json":
                raise wrong(415, "Unsupported Content-Type")
            request[VERSION] = _number(version)
            answer: web.StreamResponse = await handler(request)
            return answer

        return checked

    async def version(self, _: web.Request) -> web.Response:
        newest = self._region.newest_compute
        said = {"id": "v2.1", "status": "CURRENT", "version": newest, "min_version": "2.1"}
        return web.json_response({"version": said})

    def _one(self, request: web.Request) -> Row:
        row = self._region.servers.get(request.match_info["id"])
        gone = row is None or row["status"] == "DELETED"
        if row is None or gone or row["tenant_id"] != request[PROJECT]:
            raise wrong(404, f"Instance {request.match_info['id']} could not be found.")
        return row

    async def list(self, request: web.Request) -> web.Response:
        """Deleted servers are listed with `changes-since` only."""
        query = request.query
        rows = [one for one in self._region.servers.values()
                if one["tenant_id"] == request[PROJECT]]  # fmt: skip
        if since := query.get("changes-since"):
            rows = [one for one in rows if one["updated"] >= since]
        else:
            rows = [one for one in rows if one["status"] != "DELETED"]
        if tags := query.get("tags"):
            rows = [one for one in rows if set(tags.split(",")) <= set(one["tags"])]
        if "host" in query and request[ADMIN]:
            rows = [one for one in rows if one[HOST] == query["host"]]
        return page(request, "servers", [_shown(one, request) for one in rows])

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response({"server": _shown(self._one(request), request)})

    async def create(self, request: web.Request) -> web.Response:
        said = check_fields(await body_of(request, "server"), CREATE_FIELDS, REQUIRED)
        flavor = self._region.flavors.get(str(said["flavorRef"]))
        if flavor is None:
            raise wrong(400, f"Flavor {said['flavorRef']} could not be found.")
        if "host" in said and not request[ADMIN]:
            raise wrong(403, "Policy doesn't allow compute:servers:create:requested_destination "
                        "to be performed.")  # fmt: skip
        known = {one.name for one in self._region.hosts}
        if said.get("host", "") not in {"", *known}:
            raise wrong(400, f"Compute host {said['host']} could not be found.")
        if not said.get("imageRef") and not said.get("block_device_mapping_v2"):
            raise wrong(400, "Invalid imageRef provided.")
        for tag in said.get("tags", ()):
            if len(tag) > 60 or "/" in tag or "," in tag:
                raise wrong(400, f"Invalid input for field/attribute tags. Value: {tag}")
        if said.get("key_name", "") not in {"", *self._region.key_pairs}:
            raise wrong(400, "Invalid key_name provided.")
        self._within_quota(request, flavor)
        volumes = [self._bootable(one) for one in said.get("block_device_mapping_v2", ())]
        ports = self._usable_ports(said["networks"])
        row = self._made(request, said, flavor)
        for volume, asked in zip(volumes, said.get("block_device_mapping_v2", ()), strict=True):
            volume["status"] = "reserved"
            row["os-extended-volumes:volumes_attached"].append(
                {"id": volume["id"], "delete_on_termination": asked["delete_on_termination"]}
            )
        self._region.servers[row["id"]] = row
        self._region.later(partial(self._spawn, row, volumes, ports, said.get("host", "")))
        return web.json_response({"server": {"id": row["id"], "adminPass": "x"}}, status=202)

    async def add_key_pair(self, request: web.Request) -> web.Response:
        fields = {"name": str, "public_key": str, "type": str}
        said = check_fields(await body_of(request, "keypair"), fields, ("name",))
        kind, _, rest = said.get("public_key", "").partition(" ")
        if not kind.startswith(("ssh-", "ecdsa-")) or not rest or "\n" in rest.strip():
            raise wrong(400, "Keypair data is invalid: failed to generate fingerprint")
        if said["name"] in self._region.key_pairs:
            raise wrong(409, f"Key pair '{said['name']}' already exists.")
        self._region.key_pairs[said["name"]] = said["public_key"]
        return web.json_response({"keypair": said}, status=201)

    async def remove_key_pair(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if self._region.key_pairs.pop(name, None) is None:
            raise wrong(404, f"Keypair {name} not found for user")
        return web.Response(status=204)

    def _within_quota(self, request: web.Request, flavor: Row) -> None:
        mine = [one for one in self._region.servers.values() if one["status"] != "DELETED"]
        for what in ("vcpus", "ram"):
            quota = self._region.quota["cores" if what == "vcpus" else "ram"]
            used = sum(one["flavor"][what] for one in mine)
            if used + flavor[what] > quota:
                name = "cores" if what == "vcpus" else "ram"
                raise wrong(403, f"Quota exceeded for {name}: Requested {flavor[what]}, but "
                            f"already used {used} of {quota} {name}")  # fmt: skip

    def _bootable(self, asked: Row) -> Row:
        volume = self._region.volumes.get(asked["uuid"])
        if asked["source_type"] != "volume" or asked["destination_type"] != "volume":
            raise wrong(400, "Block Device Mapping is Invalid.")
        if volume is None:
            raise wrong(400, f"Block Device Mapping is Invalid: failed to get volume "
                        f"{asked['uuid']}.")  # fmt: skip
        if volume["status"] != "available":
            raise wrong(400, f"Invalid volume: volume {volume['id']} status must be 'available'. "
                        f"Currently in '{volume['status']}'")  # fmt: skip
        if asked.get("boot_index") == 0 and volume["bootable"] != "true":
            raise wrong(400, f"Block Device {volume['id']} is not bootable.")
        return volume

    def _usable_ports(self, asked: Any) -> list[Row]:
        if asked in ("none", "auto"):
            return []
        ports = []
        for one in asked:
            port = self._region.ports.get(one["port"])
            if port is None:
                raise wrong(400, f"Port {one['port']} could not be found.")
            if not port["fixed_ips"] and port["ip_allocation"] != "none":
                raise wrong(400, f"Port {port['id']} requires a FixedIP in order to be used.")
            if port["device_id"]:
                raise wrong(409, f"Port {port['id']} is still in use.")
            ports.append(port)
        return ports

    def _made(self, request: web.Request, said: Row, flavor: Row) -> Row:
        shown = {"vcpus": flavor["vcpus"], "ram": flavor["ram"], "disk": flavor["disk"]}
        return {
            "id": str(uuid4()),
            "name": said["name"],
            "tenant_id": request[PROJECT],
            "status": "BUILD",
            TASK: "scheduling",
            HOST: None,
            "image": {"id": said["imageRef"]} if said.get("imageRef") else "",
            "flavor": {**shown, "original_name": flavor["name"], "extra_specs": {}},
            "metadata": said.get("metadata", {}),
            "tags": said.get("tags", []),
            "os-extended-volumes:volumes_attached": [],
            "config_drive": str(said.get("config_drive") or ""),
            "user_data": said.get("user_data", ""),
            "public_key": self._region.key_pairs.get(said.get("key_name", ""), ""),
            "admin_pass": said.get("adminPass", ""),
            "created": now(),
            "updated": now(),
            "actions": [],
            "attachment_ids": {},
        }

    def fits(self, row: Row, host: Any) -> bool:
        there = [one for one in self._region.servers.values()
                 if one[HOST] == host.name and one["status"] != "DELETED"]  # fmt: skip
        used = sum(one["flavor"]["ram"] for one in there)
        return bool(used + row["flavor"]["ram"] <= host.memory_mb)

    async def _spawn(self, row: Row, volumes: list[Row], ports: list[Row], wanted: str) -> None:
        """The scheduler, then the compute host."""
        if row[TASK] == "deleting" or row["status"] == "DELETED":
            return
        hosts = [one for one in self._region.hosts if one.name == (wanted or one.name)]
        chosen = next((one for one in hosts if self.fits(row, one)), None)
        if chosen is None:
            for volume in volumes:
                volume["status"] = "available"
            _fail(row, "No valid host was found. There are not enough hosts available.")
            return
        row[HOST], row[TASK], row["updated"] = chosen.name, "spawning", now()
        await asyncio.sleep(self._region.moment_s)
        if row[TASK] != "spawning":
            return
        for volume in volumes:
            self.attach(row, volume)
        for port in ports:
            port |= {"device_id": row["id"], "device_owner": "compute:nova", "status": "ACTIVE"}
        row["status"], row[TASK], row["updated"] = "ACTIVE", None, now()

    def attach(self, row: Row, volume: Row) -> None:
        used = len(row["os-extended-volumes:volumes_attached"])
        attachment_id = str(uuid4())
        row["attachment_ids"][volume["id"]] = attachment_id
        volume["status"] = "in-use"
        volume["attachments"] = [
            {
                "id": volume["id"],
                "volume_id": volume["id"],
                "server_id": row["id"],
                "attachment_id": attachment_id,
                "host_name": row[HOST],
                "device": f"/dev/vd{chr(ord('a') + used)}",
            }
        ]

    async def delete(self, request: web.Request) -> web.Response:
        row = self._one(request)
        if row[TASK] != "deleting":
            row[TASK], row["updated"] = "deleting", now()
            known = dict(row.get("attachment_ids", {}))
            self._region.later(partial(self._delete, row, known))
        return web.Response(status=204)

    async def _delete(self, row: Row, known: dict[str, str]) -> None:
        """One thing at a time with a server; of attachments it goes by what it knew at first."""
        async with self._region.turn_of(row["id"]):
            self._let_go(row, known)
        for port in self._region.ports.values():
            if port["device_id"] == row["id"]:
                port |= {"device_id": "", "device_owner": "", "status": "DOWN"}
        row["status"], row[TASK], row["updated"] = "DELETED", None, now()

    def _let_go(self, row: Row, known: dict[str, str]) -> None:
        for one in row["os-extended-volumes:volumes_attached"]:
            volume = self._region.volumes.get(one["id"])
            if volume is not None:
                had = len(volume["attachments"])
                volume["attachments"] = [
                    has
                    for has in volume["attachments"]
                    if has.get("attachment_id") != known.get(one["id"])
                ]
                if had and not volume["attachments"]:
                    volume["status"] = "available"
                if one["delete_on_termination"]:
                    del self._region.volumes[one["id"]]

    async def act(self, request: web.Request) -> web.Response:
        row, said = self._one(request), await body_of(request)
        if len(said) != 1 or next(iter(said)) not in NEEDS:
            raise wrong(400, f"There is no such action: {sorted(said)}")
        ((name, asked),) = said.items()
        self._allowed(row, name, NEEDS[name])
        match name:
            case "os-stop":
                row[TASK] = "powering-off"
                self._region.later(partial(_becomes, row, "SHUTOFF"), self._region.shutdown_s)
            case "os-start":
                row[TASK] = "powering-on"
                self._region.later(partial(_becomes, row, "ACTIVE"))
            case "pause" | "unpause":
                row[TASK] = "pausing" if name == "pause" else "unpausing"
                state = "PAUSED" if name == "pause" else "ACTIVE"
                self._region.later(partial(_becomes, row, state))
            case "reboot":
                kinds = {"HARD": "HARD_REBOOT", "SOFT": "REBOOT"}
                if asked.get("type") not in kinds:
                    raise wrong(400, "Invalid input for field/attribute type.")
                soft = asked["type"] == "SOFT"
                if soft and row["status"] != "ACTIVE":
                    self._refuse(row, name)
                row["status"] = kinds[asked["type"]]
                row[TASK] = "rebooting" if soft else "rebooting_hard"
                self._region.later(partial(_becomes, row, "ACTIVE"))
            case "os-migrateLive":
                self._migrate(request, row, asked)
        row["updated"] = now()
        return web.Response(status=202)

    def _migrate(self, request: web.Request, row: Row, asked: Row) -> None:
        if not request[ADMIN]:
            raise wrong(403, "Policy doesn't allow os_compute_api:os-migrate-server:migrate_live "
                        "to be performed.")  # fmt: skip
        check_fields(asked, {"host": (str, type(None)), "block_migration": (str, bool)},
                     ("host", "block_migration"))  # fmt: skip
        host = next((one for one in self._region.hosts if one.name == asked["host"]), None)
        if host is None:
            raise wrong(400, f"Compute host {asked['host']} could not be found.")
        if host.name == row[HOST]:
            raise wrong(400, f"Unable to migrate instance ({row['id']}) to current host")
        row["status"], row[TASK] = "MIGRATING", "migrating"
        self._region.later(partial(self._moved, row, host))

    async def _moved(self, row: Row, host: Any) -> None:
        if row[TASK] != "migrating":
            return
        message = None
        if self.fits(row, host):
            row[HOST] = host.name
        else:
            message = "No valid host was found. There are not enough hosts available."
        row["actions"].insert(0, swaps.action("live-migration", message=message))
        row["status"], row[TASK], row["updated"] = "ACTIVE", None, now()

    def _allowed(self, row: Row, verb: str, statuses: tuple[str, ...]) -> None:
        if row["status"] not in statuses or row[TASK] is not None:
            self._refuse(row, verb)

    def _refuse(self, row: Row, verb: str) -> None:
        state = VM_STATE.get(row["status"], row["status"].lower())
        how = f"task_state {row[TASK]}" if row[TASK] else f"vm_state {state}"
        raise wrong(409, f"Cannot '{verb}' instance {row['id']} while it is in {how}")

    async def add_metadata(self, request: web.Request) -> web.Response:
        row, said = self._one(request), await body_of(request, "metadata")
        row["metadata"] |= check_fields(said, dict.fromkeys(said, str))
        return web.json_response({"metadata": row["metadata"]})

    async def tag(self, request: web.Request) -> web.Response:
        row, tag = self._one(request), request.match_info["tag"]
        if len(tag) > 60:
            raise wrong(400, f"Tag '{tag}' is too long. Maximum length of a tag is 60")
        status = 204 if tag in row["tags"] else 201
        row["tags"] = sorted({*row["tags"], tag})
        return web.Response(status=status)

    async def untag(self, request: web.Request) -> web.Response:
        row, tag = self._one(request), request.match_info["tag"]
        if tag not in row["tags"]:
            raise wrong(404, f"Server {row['id']} has no tag '{tag}'")
        row["tags"] = [one for one in row["tags"] if one != tag]
        return web.Response(status=204)

    async def interfaces(self, request: web.Request) -> web.Response:
        row = self._one(request)
        found = [
            {"port_id": one["id"], "net_id": one["network_id"], "mac_addr": one["mac_address"]}
            for one in self._region.ports.values()
            if one["device_id"] == row["id"]
        ]
        return web.json_response({"interfaceAttachments": found})

    async def plug_port(self, request: web.Request) -> web.Response:
        row = self._one(request)
        self._allowed(row, "attach_interface", ("ACTIVE", "PAUSED", "SHUTOFF"))
        asked = await body_of(request, "interfaceAttachment")
        (port,) = self._usable_ports([{"port": asked.get("port_id")}])
        port |= {"device_id": row["id"], "device_owner": "compute:nova", "status": "ACTIVE"}
        return web.json_response({"interfaceAttachment": {"port_id": port["id"]}})

    async def unplug_port(self, request: web.Request) -> web.Response:
        row = self._one(request)
        self._allowed(row, "detach_interface", ("ACTIVE", "PAUSED", "SHUTOFF"))
        port = self._region.ports.get(request.match_info["port"])
        if port is None or port["device_id"] != row["id"]:
            raise wrong(404, f"Port {request.match_info['port']} is not attached")

        async def let_go() -> None:
            port.update({"device_id": "", "device_owner": "", "status": "DOWN"})

        self._region.later(let_go)
        return web.Response(status=202)

    async def plug_volume(self, request: web.Request) -> web.Response:
        row = self._one(request)
        self._allowed(row, "attach_volume", ("ACTIVE", "PAUSED", "SHUTOFF"))
        fields = {"volumeId": str, "device": str, "tag": str, "delete_on_termination": bool}
        asked = await body_of(request, "volumeAttachment")
        check_fields(asked, fields, ("volumeId",))
        volume = self._region.volumes.get(asked["volumeId"])
        if volume is None:
            raise wrong(404, f"Volume {asked['volumeId']} could not be found.")
        if volume["status"] != "available":
            raise wrong(400, f"Invalid volume: volume {volume['id']} status must be available to "
                        f"reserve, but the status is {volume['status']}.")  # fmt: skip
        volume["status"] = "reserved"
        keeps = {"id": volume["id"], "delete_on_termination": asked.get("delete_on_termination")}

        async def attached() -> None:
            self.attach(row, volume)
            row["os-extended-volumes:volumes_attached"].append(keeps)

        self._region.later(attached)
        return web.json_response({"volumeAttachment": {"id": volume["id"], "serverId": row["id"]}})

    async def keep_volume(self, request: web.Request) -> web.Response:
        if request[VERSION] < (2, 85):
            raise wrong(400, "Additional properties are not allowed ('delete_on_termination')")
        row, asked = self._one(request), await body_of(request, "volumeAttachment")
        for one in row["os-extended-volumes:volumes_attached"]:
            if one["id"] == request.match_info["volume"] == asked["volumeId"]:
                one["delete_on_termination"] = asked["delete_on_termination"]
                return web.Response(status=202)
        raise wrong(404, "volume_attachment not found")

    async def unplug_volume(self, request: web.Request) -> web.Response:
        row, volume_id = self._one(request), request.match_info["volume"]
        self._allowed(row, "detach_volume", ("ACTIVE", "PAUSED", "SHUTOFF"))
        has = row["os-extended-volumes:volumes_attached"]
        if volume_id not in {one["id"] for one in has}:
            raise wrong(404, f"Instance {row['id']} is not attached to volume {volume_id}")
        if has[0]["id"] == volume_id:
            raise wrong(403, "Cannot detach a root device volume")
        volume = self._region.volumes[volume_id]
        volume["status"] = "detaching"

        async def detached() -> None:
            has[:] = [one for one in has if one["id"] != volume_id]
            if volume["attachments"]:
                volume.update({"status": "available", "attachments": []})

        self._region.later(detached)
        return web.Response(status=202)

    async def console(self, request: web.Request) -> web.Response:
        row, asked = self._one(request), await body_of(request, "remote_console")
        if self._region.consoles.get(asked.get("type", "")) != asked.get("protocol"):
            raise wrong(400, f"Unavailable console type {asked.get('type')}.")
        if row["status"] != "ACTIVE":
            raise wrong(409, f"Instance {row['id']} is not ready")
        url = f"{self._region.public}/vnc_auto.html?path=%3Ftoken%3D{uuid4()}"
        if asked["type"] == "serial":
            url = f"{self._region.public.replace('http', 'ws', 1)}/?token={uuid4()}"
        return web.json_response({"remote_console": {**asked, "url": url}})

    async def diagnose(self, request: web.Request) -> web.Response:
        row = self._one(request)
        if not request[ADMIN]:
            raise wrong(403, "Policy doesn't allow os_compute_api:os-server-diagnostics")
        self._allowed(row, "get_diagnostics", ("ACTIVE",))
        row["cpu_ns"] = row.get("cpu_ns", 0) + 1_000_000
        disks = row["os-extended-volumes:volumes_attached"]
        counters = {"read_bytes": 512, "write_bytes": 1024, "read_requests": 1, "write_requests": 2,
                    "errors_count": None}  # fmt: skip
        said = {
            "state": "running",
            "cpu_details": [{"id": 0, "time": row["cpu_ns"], "utilisation": None}],
            "memory_details": {"maximum": row["flavor"]["ram"], "used": None},
            "disk_details": [counters for _ in disks],
            "nic_details": [{"mac_address": "x", "rx_octets": 10, "tx_octets": 20}],
        }
        return web.json_response(said)

    async def actions(self, request: web.Request) -> web.Response:
        """Each without what happened in it."""
        rows = self._one(request)["actions"]
        listed = [{name: one[name] for name in one if name != "events"} for one in rows]
        return web.json_response({"instanceActions": listed})

    async def action(self, request: web.Request) -> web.Response:
        """With what happened in it, which others than administrators see since 2.51."""
        wanted = request.match_info["request"]
        for one in self._one(request)["actions"]:
            if one["request_id"] == wanted:
                return web.json_response({"instanceAction": one})
        raise wrong(404, f"Action for request_id {wanted} on instance could not be found")


async def _becomes(row: Row, status: str) -> None:
    if row[TASK] != "deleting" and row["status"] != "DELETED":
        row["status"], row[TASK], row["updated"] = status, None, now()


def _fail(row: Row, message: str) -> None:
    row["fault"] = {"code": 500, "created": now(), "message": message}
    row["status"], row[TASK], row["updated"] = "ERROR", None, now()


def _shown(row: Row, request: web.Request) -> Row:
    """Who is no administrator does not see the host; an action log is asked for by itself."""
    hidden = {"actions", "attachment_ids", "user_data", "cpu_ns"} | (
        set() if request[ADMIN] else {HOST}
    )
    return {name: value for name, value in row.items() if name not in hidden}


def _number(version: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in version.split("."))
    except ValueError as error:
        raise wrong(400, f"API Version String {version} is of invalid format.") from error
