"""Events as an earlier release stored them, read as what they mean now."""

from __future__ import annotations

from uuid import UUID

import msgspec

import aggregates.saga as saga
import aggregates.vm as vm
from aggregates.base import Aggregate, Event, Recorded, build
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


def read(topic: str, state: str) -> Event:
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


def test_a_guest_without_the_job_that_had_it() -> None:
    state = CREATED.replace('{"at"', '{"v":2,"at"').replace('"group":"lab",', "")
    made = read("vm.created", state)
    assert isinstance(made, vm.VmCreated)
    assert (made.state, made.job_id, made.nics) == (vm.VmState.STOPPED, None, [])


def test_a_job_whose_steps_are_told_by_events_of_their_own() -> None:
    started = read(
        "saga.started",
        '{"at":5,"d":{"name":"vm.deploy:1","command":"","action":"","user_id":null,'
        '"account_id":null,"subject_kind":"vm","subject_id":"ID","intent":{"planner":""},'
        '"idempotency_key":""}}',
    )
    assert isinstance(started, saga.SagaStarted)
    steps = read("saga.steps_succeeded", '{"at":5,"d":{"outputs":{"create":null}}}')
    ended = read("saga.succeeded", '{"at":5,"d":{}}')
    assert isinstance(ended, saga.SagaSucceeded)
    assert (started.outputs, ended.outputs) == ({}, {})
    assert folded(started, steps, ended) == folded(
        msgspec.structs.replace(started, outputs={"create": None}), ended
    )


def folded(first: Event, *more: Event) -> Aggregate:
    """What they come to, but for how many they were."""
    record = Recorded(position=1, stream=UUID(ID), version=1, at_ms=5, event=first)
    row = build(record)
    for one in more:
        one.apply(row, 5)
    return row


def test_what_is_joined_folds_to_what_its_parts_do() -> None:
    created = read("vm.created", CREATED)
    assert isinstance(created, vm.VmCreated)
    card = vm.Nic(id=UUID(ID), network_id=UUID(ID), mac="02:00:00:00:00:01")
    parts = (vm.VmBusy(doing=vm.VmState.STARTING, job_id=UUID(ID)), vm.VmNicsSet(nics=[card]))
    joined: Event = created
    for part in parts:
        both = joined.joined(part)
        assert both is not None
        joined = both
    one, several = folded(joined), folded(created, *parts)
    assert isinstance(one, vm.Vm) and isinstance(several, vm.Vm)
    # Until it changes, a guest is in its state since it was created.
    assert (one.state_at_ms, several.state_at_ms) == (0, several.created_at_ms)
    several.state_at_ms = 0
    assert one == several
    assert joined.joined(vm.VmStopped()) is None


def test_outputs_of_steps_are_told_with_what_happened_beside_them() -> None:
    run = saga.SagaStarted(
        name="toy:1", command="", action="", user_id=None, account_id=None,
        subject_kind="", subject_id=None, intent={},
    )  # fmt: skip
    first, last = (saga.StepsSucceeded(outputs={step: step}) for step in ("first", "last"))
    begun, ended = run.joined(first), last.joined(saga.SagaSucceeded())
    assert begun is not None and ended is not None
    row = folded(begun, ended)
    assert row == folded(run, first, last, saga.SagaSucceeded())
    assert isinstance(row, saga.SagaRun) and row.outputs == {"first": "first", "last": "last"}
    assert isinstance(begun, saga.SagaStarted) and begun.outputs == {"first": "first"}
    assert begun.joined(saga.SagaSucceeded()) is None
