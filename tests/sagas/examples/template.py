"""Examples of the sagas of template."""

from __future__ import annotations

import subprocess
from pathlib import Path

from engine.intents.template import DeleteTemplate, RegisterTemplate
from tests.sagas.rig import Rig
from tests.sagas.seed import (
    ACCOUNT,
    DOMAIN,
    named,
)


def _image(home: Path) -> str:
    """A small image of the right kind, as a URL."""
    path = home / "image.qcow2"
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", str(path), "1M"]
    subprocess.run(argv, check=True, timeout=20)
    return f"file://{path}"


async def _register_template(rig: Rig) -> object:
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
    await rig.run(await _register_template(rig))
    return DeleteTemplate(template_id=named("template 2"))


EXAMPLES = {
    "template.register:1": _register_template,
    "template.delete:1": _delete_template,
}
