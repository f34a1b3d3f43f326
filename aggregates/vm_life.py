"""What may become of a virtual machine after its deploy: another size, root disk or owner."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import Event, event
from aggregates.vm import Nic, Vm


@event("vm.growing")
class VmGrowing(Event, frozen=True, kw_only=True):
    """A job is about to give it this size: its owner is charged with that already."""

    cpu_count: int
    memory_mib: int

    def apply(self, row: Vm, at_ms: int) -> None:
        row.growing_cores, row.growing_mib = self.cpu_count, self.memory_mib


@event("vm.scaled")
class VmScaled(Event, frozen=True, kw_only=True):
    """It has the size of another offering; `hold` is the further room on its host, if it runs."""

    service_offering_id: UUID
    cpu_count: int
    cpu_mhz: int
    memory_mib: int
    host_tags: list[str]
    details: dict[str, str]
    hold: UUID | None = None

    def apply(self, row: Vm, at_ms: int) -> None:
        row.service_offering_id, row.host_tags = self.service_offering_id, list(self.host_tags)
        row.cpu_count, row.cpu_mhz = self.cpu_count, self.cpu_mhz
        row.memory_mib, row.details = self.memory_mib, dict(self.details)
        row.growing_cores = row.growing_mib = 0
        if self.hold is not None:
            row.more_holds = [*row.more_holds, self.hold]


@event("vm.restored")
class VmRestored(Event, frozen=True, kw_only=True):
    """Its root disk is a fresh one, made from `template_id`.

    One that takes a password is told it by this job, or by its next start if it is due then; None
    leaves passwords as they are.
    """

    template_id: UUID
    password_due: bool | None = None

    def apply(self, row: Vm, at_ms: int) -> None:
        row.template_id = self.template_id
        if self.password_due is not None:
            row.password_due, row.password_job_id = self.password_due, row.job_id


@event("vm.assigned")
class VmAssigned(Event, frozen=True, kw_only=True):
    """It belongs to another account, with cards on networks that are open to that account.

    What was the former owner's stays with that owner: group, key pairs, security groups, disc.
    """

    account_id: UUID
    domain_id: UUID
    nics: list[Nic]

    def apply(self, row: Vm, at_ms: int) -> None:
        row.account_id, row.domain_id = self.account_id, self.domain_id
        row.nics, row.key_pairs, row.public_keys = list(self.nics), [], ()
        # Groups and user data are the old owner's, and stay with that.
        row.group_id, row.user_data_id = None, None
        row.affinity_group_ids, row.security_group_ids = (), []
        row.iso_id = None


@event("vm.unmanaged", removes=True)
class VmUnmanaged(Event, frozen=True, kw_only=True):
    """The cloud let go of it. The guest runs on, and is a stranger from here on."""
