"""Examples of the sagas of template."""

from __future__ import annotations

import subprocess
from pathlib import Path

from msgspec.structs import replace

from engine.intents.record import CreateRecord
from engine.intents.template import CopyTemplate, DeleteTemplate, RegisterTemplate
from tests.sagas.rig import Rig
from tests.sagas.seed import ACCOUNT, DOMAIN, ZONE, named

ZONE_2 = named("zone 2")


def _image(home: Path) -> str:
    """A small image of the right kind, as a URL."""
    path = home / "image.qcow2"
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", str(path), "1M"]
    subprocess.run(argv, check=True, timeout=120)
    return f"file://{path}"


async def register(rig: Rig) -> RegisterTemplate:
    return RegisterTemplate(
        template_id=named("template 2"),
        account_id=ACCOUNT,
        domain_id=DOMAIN,
        name="t2",
        display_text="t2",
        url=_image(rig.home),
        hypervisor="KVM",
        image_format="QCOW2",
        trusted=True,
    )


async def _delete_template(rig: Rig) -> object:
    await rig.run(await register(rig))
    return DeleteTemplate(template_id=named("template 2"))


async def other_zone(rig: Rig) -> None:
    """A zone with nothing in it, to copy images into."""
    fields = {"name": "z2", "network_type": "Advanced", "dns1": "192.0.2.1"}
    fields |= {"internal_dns1": "192.0.2.1", "allocation_state": "Enabled"}
    await rig.engine.decide(CreateRecord(kind="zone", id=ZONE_2, fields=fields), rig.by)


async def _copy_template(rig: Rig) -> object:
    await other_zone(rig)
    ask = await register(rig)
    await rig.run(replace(ask, zone_ids=[ZONE]))
    return CopyTemplate(template_id=named("template 2"), zone_ids=[ZONE_2])


EXAMPLES = {
    "template.register:1": register,
    "template.delete:1": _delete_template,
    "template.copy:1": _copy_template,
}
