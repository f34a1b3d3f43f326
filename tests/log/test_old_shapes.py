"""Events as an earlier release stored them, read as what they mean now."""

from __future__ import annotations

from uuid import UUID

import aggregates.vm as vm
from engine.log import Stored, codec

ID = "6f1c0a52-4a4e-4a4e-8a4e-0c5d1f3b7a11"
CREATED = (
    '{"at":5,"d":{"name":"web","display_name":"web","account_id":"ID","domain_id":"ID",'
    '"user_id":null,"zone_id":"ID","template_id":"ID","service_offering_id":"ID",'
    '"hypervisor":"KVM","cpu_count":1,"cpu_mhz":500,"memory_mib":512,"instance_name":"i-1",'
    '"group":"lab","user_data":"aGk=","key_pairs":["k"],"host_tags":[],"details":{},'
    '"is_displayed":true,"nics":[]}}'
)
UPDATED = (
    '{"at":5,"d":{"name":"web","display_name":"Web","group":"lab","user_data":"aGk=",'
    '"is_displayed":true,"details":{"a":"b"}}}'
)


def read(topic: str, state: str) -> object:
    stored = Stored(1, UUID(ID), 1, topic, state.replace("ID", ID).encode())
    return codec.decode(stored).event


def test_a_guest_that_was_in_a_group_by_a_word() -> None:
    made = read("vm.created", CREATED)
    assert isinstance(made, vm.VmCreated)
    assert (made.name, made.user_data, made.key_pairs) == ("web", "aGk=", ["k"])
    assert (made.group_id, made.boot, made.affinity_group_ids) == (None, "bios", ())


def test_an_update_of_before_groups_were_things() -> None:
    changed = read("vm.updated", UPDATED)
    assert isinstance(changed, vm.VmUpdated)
    assert (changed.display_name, changed.user_data) == ("Web", "aGk=")
    assert changed.details == {"a": "b"}
