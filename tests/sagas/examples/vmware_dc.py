"""Examples of the sagas of datacentres of vCenters."""

from __future__ import annotations

from engine.intents.record import CreateRecord
from engine.intents.vmware_dc import RemoveVmwareDc
from tests.sagas.rig import Rig
from tests.sagas.seed import ZONE, named


async def _remove(rig: Rig) -> object:
    dc_id, ref = named("vmware dc"), str(await rig.vault.put("a vCenter's password"))
    fields = {"zone_id": ZONE, "name": "DC0", "vcenter": "v.test", "password_ref": ref}
    await rig.engine.decide(CreateRecord(kind="vmware_dc", id=dc_id, fields=fields), rig.by)
    return RemoveVmwareDc(id=dc_id)


EXAMPLES = {"vmware_dc.remove:1": _remove}
