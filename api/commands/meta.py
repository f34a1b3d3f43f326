"""Commands about the API itself, which need no noun: what it has, what it can, and its jobs."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated
from uuid import UUID

import msgspec

from api.authz import domain_path, is_below
from api.caller import Caller, JobRow
from api.commands.download_link import with_url
from api.commands.vm_checks import custom_sizes_gib, open_to_users
from api.commands.vm_password import tell_password
from api.declare import Bound, Free, Idle, Moment, Names, OneOf, Page, View, Wire, command, view
from api.errors import ParamError, no_such_id, not_for_you
from api.jobs import JobView, instance_type, job_view, may_see
from api.listapis import ApiView, describe, open_to
from api.lists import cut
from api.render import CLOUDSTACK_VERSION
from api.scope import named_account
from api.this_controller import CONTROLLER_ID
from engine.turns import later
from projections.setting import is_on, number_of

AGE = attrgetter("created_at_ms")
TOLD_A_TURN = 16
STATES = OneOf("Running", "Undoing", "Parked", "Succeeded", "Failed")


@view
class CapabilityView(View, kw_only=True):
    """What this cloud can do and allows, for clients that adapt to it."""

    cloudstack_version: Annotated[str, "the CloudStack version whose wire format this speaks"]
    security_groups_enabled: Annotated[bool, "whether zones may use security groups"]
    dynamic_roles_enabled: Annotated[bool, "whether roles are made of rules"]
    user_public_template_enabled: Annotated[bool, "whether users may publish templates"]
    support_elb: Annotated[str, "whether elastic load balancing is on"] = msgspec.field(
        name="supportELB"
    )
    project_invite_required: Annotated[bool, "whether project members must accept"]
    allow_user_create_projects: Annotated[bool, "whether users may create projects"]
    custom_disk_offering_min_size: Annotated[int, "smallest custom disk, in GiB"]
    custom_disk_offering_max_size: Annotated[int, "largest custom disk, in GiB"]
    region_secondary_enabled: Annotated[bool, "whether secondary storage spans zones"]
    api_limit_interval: Annotated[int | None, "seconds over which requests are counted"] = None
    api_limit_max: Annotated[int | None, "requests that may be made in that time"] = None
    kvm_snapshot_enabled: Annotated[bool, "whether disks on KVM can be snapshotted"]
    allow_user_view_destroyed_vm: Annotated[bool, "whether users see destroyed machines"]
    allow_user_expunge_recover_vm: Annotated[bool, "whether users may expunge and recover"]
    allow_user_expunge_recover_volume: Annotated[bool, "the same for volumes"]
    allow_user_view_all_domain_accounts: Annotated[bool, "whether users see other accounts"]
    allow_user_force_stop_vm: Annotated[bool, "whether users may force a stop"]
    kubernetes_service_enabled: Annotated[bool, "whether Kubernetes clusters can be made"]
    kubernetes_cluster_experimental_features_enabled: Annotated[bool, "and their newest parts"]
    default_ui_page_size: Annotated[int, "rows a page in a console"]
    instance_lease_enabled: Annotated[bool, "whether machines may be leased for a time"]
    dynamic_scaling_enabled: Annotated[bool, "whether running machines can be resized"]
    additional_config_enabled: Annotated[bool, "whether deploys take words for the hypervisor"]
    snapshot_show_chain_size: Annotated[bool, "whether snapshots tell the size of their chain"]
    custom_hypervisor_display_name: Annotated[str, "what hosts of other kinds are called"]
    instances_stats_user_only: Annotated[bool, "whether system machines are not measured"]
    instances_disks_stats_retention_enabled: Annotated[bool, "whether measures of disks are kept"]


@command("listCapabilities", returns=CapabilityView, key="capability", allow="ARDU")
class ListCapabilities:
    """Say what this cloud can do and allows."""

    async def run(self, caller: Caller) -> CapabilityView:
        """What settings say counts for whoever asks."""
        cloud, sizes_gib = caller.cloud, custom_sizes_gib(caller.cloud)
        limit = "api.throttling"
        limited = is_on(cloud, f"{limit}.enabled") and not caller.is_root

        def may(name: str) -> bool:
            return open_to_users(caller, name, caller.account_id)

        return CapabilityView(
            cloudstack_version=CLOUDSTACK_VERSION,
            security_groups_enabled=True,
            dynamic_roles_enabled=True,
            user_public_template_enabled=is_on(caller.cloud, "allow.public.user.templates"),
            support_elb="false",
            project_invite_required=is_on(caller.cloud, "project.invite.required"),
            allow_user_create_projects=is_on(caller.cloud, "allow.user.create.projects"),
            custom_disk_offering_min_size=sizes_gib[0],
            custom_disk_offering_max_size=sizes_gib[1],
            region_secondary_enabled=False,
            api_limit_interval=int(number_of(cloud, "api.throttling.interval"))
            if limited
            else None,
            api_limit_max=int(number_of(cloud, "api.throttling.max")) if limited else None,
            kvm_snapshot_enabled=is_on(cloud, "kvm.snapshot.enabled"),
            allow_user_view_destroyed_vm=may("allow.user.view.destroyed.vm"),
            allow_user_expunge_recover_vm=may("allow.user.expunge.recover.vm"),
            allow_user_expunge_recover_volume=may("allow.user.expunge.recover.volume"),
            allow_user_view_all_domain_accounts=False,
            allow_user_force_stop_vm=may("allow.user.force.stop.vm"),
            kubernetes_service_enabled=False,
            kubernetes_cluster_experimental_features_enabled=False,
            default_ui_page_size=int(number_of(cloud, "default.ui.page.size")),
            instance_lease_enabled=True,
            dynamic_scaling_enabled=is_on(cloud, "enable.dynamic.scale.vm"),
            additional_config_enabled=False,
            snapshot_show_chain_size=False,
            custom_hypervisor_display_name="Custom",
            instances_stats_user_only=True,
            instances_disks_stats_retention_enabled=False,
        )


@command("listApis", returns=ApiView, key="api", shape="list", allow="ARDU", since="4.1.0")
class ListApis:
    """List the commands that the caller may use, with all their parameters and answers."""

    name: Annotated[str | None, "only this command"] = None

    async def run(self, caller: Caller) -> Page:
        """All of them at once: clients build their command set from this one answer."""
        specs = [spec for spec in open_to(caller.identity) if self.name in (None, "", spec.name)]
        if self.name and not specs:
            raise not_for_you(self.name, caller.identity.account)
        told: list[ApiView] = []
        for spec in specs:
            if not spec.is_read or len(told) % TOLD_A_TURN == 0:
                await later()
            told.append(describe(spec, caller.role_type))
        return Page(len(told), told)


@command("queryAsyncJobResult", returns=JobView, shape="flat", allow="ARDU")
class QueryAsyncJobResult:
    """Say how a job stands, and once it has ended what it gave."""

    job_id: Annotated[UUID, "the job", Free("run() shows a job only to those who may see it")]
    resource_id: Annotated[
        str | None, "not needed beside jobid", Idle("the job is named by its id")
    ] = None
    resource_type: Annotated[str | None, "not needed beside jobid", Idle("so is its thing")] = None

    async def run(self, caller: Caller) -> JobView:
        """Somebody else's job is answered as one that never was."""
        job = await caller.engine.job(self.job_id)
        if job is None or not may_see(caller.identity, caller.cloud, job):
            raise no_such_id("queryAsyncJobResult", "jobid", str(self.job_id))
        made = await with_url(job_view(job, caller), job, caller)
        await tell_password(caller, job, made)
        return made


@command("listAsyncJobs", returns=JobView, key="asyncjobs", shape="list", allow="ARDU")
class ListAsyncJobs:
    """List jobs, running and ended."""

    list_all: Annotated[bool | None, "all that the caller may see, not only its own"] = None
    account: Annotated[str | None, "jobs of this account; the domain is given too"] = None
    domain_id: Annotated[UUID | None, "jobs in this domain", Names("domain", right="see")] = None
    is_recursive: Annotated[bool | None, "with domainid: also all domains below it"] = None
    start_date: Annotated[Moment | None, "jobs asked for since then"] = None
    state: Annotated[
        str | None, "jobs in this state, such as Parked", STATES, Wire(since="sagastack 0.1")
    ] = None
    resource_id: Annotated[
        str | None, "jobs about this thing; resourcetype is given too", Free("narrows own jobs")
    ] = None
    resource_type: Annotated[str | None, "the kind of that thing, such as VirtualMachine"] = None
    management_server_id: Annotated[
        UUID | None, "jobs of this controller", Free("no controller is a secret")
    ] = None
    keyword: Annotated[str | None, "text that the command contains"] = None
    page: Annotated[int | None, "which page, from 1; needs pagesize", Bound(1)] = None
    page_size: Annotated[int | None, "rows a page, at most 500; -1 for no limit", Bound(-1)] = None

    async def run(self, caller: Caller) -> Page:
        """Newest last, as they were asked for."""
        if bool(self.resource_id) != bool(self.resource_type):
            raise ParamError("resourceid and resourcetype are given together, or neither is")
        only = named_account(caller, self.account, self.domain_id) if self.account else None
        table = caller.cloud.table("saga")
        jobs = table if self.state is None else sorted(table.by("state", self.state), key=AGE)
        found = [job for job in jobs if self._wanted(job, caller, only)]
        shown = [job_view(job, caller) for job in cut(found, self.page, self.page_size, caller)]
        return Page(len(found), shown)

    def _wanted(self, job: JobRow, caller: Caller, only: UUID | None) -> bool:
        if self.start_date is not None and job.created_at_ms < self.start_date:
            return False
        if self.keyword and self.keyword.lower() not in job.command.lower():
            return False
        if not may_see(caller.identity, caller.cloud, job) or not self._about(job):
            return False
        if only is not None:
            return job.account_id == only
        if self.domain_id is not None:
            return self._inside(job, caller, self.domain_id)
        return bool(self.list_all) or job.account_id == caller.account_id

    def _about(self, job: JobRow) -> bool:
        """Is it about the thing that is asked for, and this controller's?"""
        if self.management_server_id not in (None, CONTROLLER_ID):
            return False
        if not self.resource_id:
            return True
        kind = instance_type(job) or ""
        same = str(job.subject_id) == self.resource_id.strip().lower()
        return same and kind.lower() == (self.resource_type or "").lower()

    def _inside(self, job: JobRow, caller: Caller, top: UUID) -> bool:
        account = caller.cloud.table("account").get(job.account_id)
        if account is None or not self.is_recursive:
            return account is not None and account.domain_id == top
        path = domain_path(caller.cloud, account.domain_id)
        return is_below(path, domain_path(caller.cloud, top) or "/")
