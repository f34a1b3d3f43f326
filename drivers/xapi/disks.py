"""Disks and images in a repository, one function a verb of the contract.

A thin disk of an image is a VDI.clone of the image's own VDI, which lies in the same repository;
what is to stand alone is a VDI.copy. The image stays for as long as a disk rests on it.
"""

from __future__ import annotations

from uuid import UUID

from drivers.contract.errors import Refused
from drivers.contract.storage import DiskSpec, DiskStatus, ImageSource, PoolSpec
from drivers.xapi import kept, marks, transfer, vdis
from drivers.xapi.client import Line
from drivers.xapi.marks import Kind
from drivers.xapi.repositories import Repositories, Repository
from drivers.xapi.vdis import Vdi

FORMAT = "vhd"
STRANGE_TYPES = ("suspend", "crashdump", "ha_statefile", "metadata", "redo_log", "rrd", "pvs_cache")


def status(vdi: Vdi, repository: Repository) -> DiskStatus:
    return DiskStatus(
        volume_id=vdi.mark.id if vdi.mark is not None else None,
        path=vdis.path(vdi, repository.uuid),
        size_bytes=vdi.size_bytes,
        used_bytes=vdi.used_bytes,
        image_format=FORMAT,
    )


class Disks:
    """The disks that one host reaches. `host` gives a member's address for HTTP doors."""

    def __init__(
        self, line: Line, repositories: Repositories, host_uuid: str, scratch: str
    ) -> None:
        self.line, self.repositories = line, repositories
        self._host_uuid, self.scratch = host_uuid, scratch

    async def address(self) -> str:
        """Where this host's own doors are."""
        host = await self.line.host(self._host_uuid)
        address: str = await self.line.call("host.get_address", host)
        return address

    async def create(self, pool: PoolSpec, disk: DiskSpec) -> DiskStatus:
        repository = await self.repositories.get(pool)
        async with self.line.turn(Kind.VOLUME, disk.volume_id):
            if (there := await self._there(repository, disk.volume_id)) is not None:
                return there
            await self._need_room(pool, disk)
            if disk.image is None:
                ref = await vdis.begin(
                    self.line, repository, Kind.VOLUME, disk.volume_id, disk.size_bytes
                )
                made = await vdis.claim(self.line, ref, Kind.VOLUME, disk.volume_id)
                return status(made, repository)
            base = await self._image(repository, disk.image)
            made = await self._of_image(repository, disk, base)
        return status(made, repository)

    async def bring(self, pool: PoolSpec, disk: DiskSpec) -> DiskStatus:
        """A disk of its own from an image of the controller's."""
        if disk.image is None:
            raise Refused(f"disk {disk.volume_id}: say which image it is made of")
        repository = await self.repositories.get(pool)
        async with self.line.turn(Kind.VOLUME, disk.volume_id):
            if (there := await self._there(repository, disk.volume_id)) is not None:
                return there
            await self._need_room(pool, disk)
            ref = await self._uploaded(repository, Kind.VOLUME, disk.volume_id, disk.image)
            await self.grow(ref, disk.size_bytes)
            made = await vdis.claim(self.line, ref, Kind.VOLUME, disk.volume_id)
        return status(made, repository)

    async def keep(self, pool: PoolSpec, image: ImageSource) -> str:
        repository = await self._place_of(pool, image.image_format)
        kept_as = await self._image(repository, image)
        return vdis.path(kept_as, repository.uuid)

    async def images(self, pool: PoolSpec) -> list[UUID]:
        found = []
        for repository in await self._places(pool):
            for record in (await vdis.everything(self.line, repository.ref)).values():
                mark = marks.read(record)
                if mark is not None and mark.kind is Kind.IMAGE:
                    found.append(mark.id)
        return found

    async def drop(self, pool: PoolSpec, image_id: UUID) -> bool:
        """False while a disk rests on it, or a drive holds it."""
        async with self.line.turn(Kind.IMAGE, image_id):
            for repository in await self._places(pool):
                records = await vdis.everything(self.line, repository.ref)
                for record in records.values():
                    mark = marks.read(record)
                    is_disk = mark is not None and mark.kind is Kind.VOLUME
                    if is_disk and mark is not None and mark.base == str(image_id):
                        return False
                while (
                    found := vdis.newest(records, repository.ref, Kind.IMAGE, image_id)
                ) is not None:
                    if await vdis.users(self.line, found):
                        return False
                    await vdis.destroy(self.line, found.ref)
                    del records[found.ref]
            await vdis.sweep(self.line, Kind.IMAGE, image_id)
        return True

    async def resize(self, pool: PoolSpec, volume_id: UUID, size_bytes: int) -> DiskStatus:
        repository, vdi = await self.need(pool, volume_id, "resize")
        if size_bytes < vdi.size_bytes:
            raise Refused(f"disk {volume_id} has {vdi.size_bytes} bytes: it never shrinks")
        if vdis.whole_grains(size_bytes) > vdi.size_bytes:
            await vdis.need_unused(self.line, vdi, f"disk {volume_id}")
            await self.grow(vdi.ref, size_bytes)
        _, vdi = await self.need(pool, volume_id, "resize")
        return status(vdi, repository)

    async def remove(self, pool: PoolSpec, volume_id: UUID) -> None:
        """What whole guests keep in it goes with it; snapshots of the disk alone stay."""
        repository = await self.repositories.get(pool)
        async with self.line.turn(Kind.VOLUME, volume_id):
            while (
                vdi := await vdis.find(self.line, repository.ref, Kind.VOLUME, volume_id)
            ) is not None:
                await self.line.settle(vdi.record, doing=f"remove disk {volume_id}")
                await vdis.need_unused(self.line, vdi, f"disk {volume_id}")
                await kept.forget_of_disk(self.line, volume_id, vdi)
                await vdis.destroy(self.line, vdi.ref)
            await vdis.sweep(self.line, Kind.VOLUME, volume_id)

    async def find(self, pool: PoolSpec, volume_id: UUID) -> DiskStatus | None:
        repository = await self.repositories.get(pool)
        vdi = await vdis.find(self.line, repository.ref, Kind.VOLUME, volume_id)
        return None if vdi is None else status(vdi, repository)

    async def list_all(self, pool: PoolSpec) -> list[DiskStatus]:
        """Those of ours, each once, and strangers; never what is being made, or kept."""
        repository = await self.repositories.get(pool)
        ours: dict[UUID, Vdi] = {}
        strangers = []
        for ref, record in (await vdis.everything(self.line, repository.ref)).items():
            mark = marks.read(record)
            vdi = Vdi(ref, record, mark)
            if mark is not None and mark.kind is Kind.VOLUME:
                before = ours.get(mark.id)
                if (
                    before is None
                    or before.mark is None
                    or before.mark.generation < mark.generation
                ):
                    ours[mark.id] = vdi
            elif mark is None and _is_stranger(record):
                strangers.append(vdi)
        return [status(vdi, repository) for vdi in [*ours.values(), *strangers]]

    async def adopt(self, pool: PoolSpec, path: str, volume_id: UUID) -> DiskStatus:
        repository = await self.repositories.get(pool)
        if (there := await self._there(repository, volume_id)) is not None:
            return there
        vdi = await vdis.at_path(self.line, path)
        if vdi.record["SR"] != repository.ref or vdi.record["is_a_snapshot"]:
            raise Refused(f"disk {path} does not lie in pool {pool.url}")
        if vdi.mark is not None:
            raise Refused(f"disk {path} is a controller's already: {vdi.mark.kind} {vdi.mark.id}")
        made = await vdis.claim(self.line, vdi.ref, Kind.VOLUME, volume_id)
        return status(made, repository)

    async def disown(self, pool: PoolSpec, volume_id: UUID) -> None:
        """Its label stays, so that people see what it was."""
        repository = await self.repositories.get(pool)
        vdi = await vdis.find(self.line, repository.ref, Kind.VOLUME, volume_id)
        if vdi is not None:
            lines = marks.without(vdi.record["other_config"])
            await self.line.call("VDI.set_other_config", vdi.ref, lines)

    # ---- parts ---------------------------------------------------------------------------

    async def need(self, pool: PoolSpec, volume_id: UUID, doing: str) -> tuple[Repository, Vdi]:
        repository = await self.repositories.get(pool)
        vdi = await vdis.find(self.line, repository.ref, Kind.VOLUME, volume_id)
        if vdi is None:
            raise Refused(f"{doing} disk {volume_id}: it is not in pool {pool.url}")
        return repository, vdi

    async def grow(self, ref: str, size_bytes: int) -> None:
        size = int(await self.line.call("VDI.get_virtual_size", ref))
        if vdis.whole_grains(size_bytes) > size:
            await self.line.run("VDI.resize", ref, vdis.whole_grains(size_bytes))

    async def copied(
        self, repository: Repository, kind: Kind, thing: UUID, source: str, size_bytes: int
    ) -> str:
        """A VDI with the bytes of another that needs it no more, not claimed yet."""
        ref = await vdis.begin(self.line, repository, kind, thing, size_bytes)
        await self.line.run(
            "VDI.copy", source, marks.NULL, marks.NULL, ref, limit_s=transfer.COPY_S
        )
        return ref

    async def _there(self, repository: Repository, volume_id: UUID) -> DiskStatus | None:
        vdi = await vdis.find(self.line, repository.ref, Kind.VOLUME, volume_id, thorough=False)
        return None if vdi is None else status(vdi, repository)

    async def _need_room(self, pool: PoolSpec, disk: DiskSpec) -> None:
        facts = await self.repositories.facts(pool)
        if disk.size_bytes > facts.capacity_bytes:
            raise Refused(
                f"disk {disk.volume_id}: {disk.size_bytes} bytes are more than the "
                f"{facts.capacity_bytes} of pool {pool.url}"
            )

    async def _of_image(self, repository: Repository, disk: DiskSpec, base: Vdi) -> Vdi:
        size_bytes = max(vdis.whole_grains(disk.size_bytes), base.size_bytes)
        if disk.provisioning != "thin":
            ref = await self.copied(repository, Kind.VOLUME, disk.volume_id, base.ref, size_bytes)
            return await vdis.claim(self.line, ref, Kind.VOLUME, disk.volume_id)
        claimed: list[Vdi] = []

        async def claim(ref: str) -> None:
            await self.grow(ref, size_bytes)
            image_id = base.mark.id if base.mark else ""
            claimed.append(
                await vdis.claim(self.line, ref, Kind.VOLUME, disk.volume_id, base=str(image_id))
            )

        note = f"clone {disk.volume_id} in {repository.uuid}"
        async with self.line.turn("clone", base.ref):  # XAPI clones one after the other
            await self.line.run_once(note, "VDI.clone", base.ref, {}, claim=claim)
        return claimed[-1]

    async def _image(self, repository: Repository, image: ImageSource) -> Vdi:
        """The image's own VDI, brought there once."""
        async with self.line.turn(Kind.IMAGE, image.image_id):
            found = await vdis.find(
                self.line, repository.ref, Kind.IMAGE, image.image_id, thorough=False
            )
            if found is not None:
                return found
            ref = await self._uploaded(repository, Kind.IMAGE, image.image_id, image)
            return await vdis.claim(self.line, ref, Kind.IMAGE, image.image_id)

    async def _uploaded(
        self, repository: Repository, kind: Kind, thing: UUID, image: ImageSource
    ) -> str:
        async with transfer.packed(image, self.scratch) as parcel:
            ref = await vdis.begin(
                self.line, repository, kind, thing, vdis.whole_grains(parcel.virtual_bytes)
            )
            if image.image_format == "iso":
                await self.line.call("VDI.set_name_description", ref, "sagastack disc")
            await transfer.upload(self.line, await self.address(), ref, parcel)
        return ref

    async def _place_of(self, pool: PoolSpec, image_format: str) -> Repository:
        """Disks lie in the pool; discs in an ISO library, which XAPI wants for a drive."""
        if image_format != "iso":
            return await self.repositories.get(pool)
        library = await self.repositories.discs()
        if library is None:
            raise Refused(
                "a disc needs an ISO library that can be written to: add an SR of type iso to the "
                "XenServer pool, and try again"
            )
        return library

    async def _places(self, pool: PoolSpec) -> list[Repository]:
        library = await self.repositories.discs()
        mine = await self.repositories.get(pool)
        return [mine] if library is None or library == mine else [mine, library]


def _is_stranger(record: marks.Record) -> bool:
    """A disk that a person made. What snapshots left of ours, and XAPI's own, is none."""
    return (
        record["managed"]
        and not record["is_a_snapshot"]
        and record["type"] not in STRANGE_TYPES
        and marks.SELF not in {k for k, v in record["other_config"].items() if v == record["uuid"]}
        and not _is_unclaimed(record)
    )


def _is_unclaimed(record: marks.Record) -> bool:
    return marks.IS in record["other_config"] and marks.SELF not in record["other_config"]
