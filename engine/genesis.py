"""The first events of a cloud: who may enter it, and what it offers from the start.

All of it is one commit, so a log holds the whole beginning or none of it. Every id follows from
the thing's name, so scripts and tests may rely on them; only passwords and keys are random, and
those are put into the vault before the commit that refers to them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from aggregates.base import Event
from aggregates.image import Copy, ImageState
from aggregates.record import RECORDS
from aggregates.template import WORDS, TemplateReady, TemplateRegistered
from engine.decide import Desk, decision
from engine.engine import Engine
from engine.genesis_catalogue import (
    DISK_OFFERINGS,
    GIB,
    NETWORK_ACLS,
    NETWORK_OFFERINGS,
    OS_TYPES,
    ROLES,
    SERVICE_OFFERINGS,
    TEMPLATES_WITHOUT_IMAGE,
    VPC_OFFERINGS,
)
from engine.intents import By
from engine.vault import Vault
from projections.api_key import api_keys
from projections.cloud import Cloud
from projections.template import templates
from projections.user import users

PASSWORD_BYTES, KEY_BYTES = 12, 64


def stable_id(kind: str, name: str) -> UUID:
    """The id of something that every new cloud has."""
    return uuid5(NAMESPACE_URL, f"urn:sagastack:{kind}:{name}")


ROOT_DOMAIN = stable_id("domain", "ROOT")
ADMIN_ACCOUNT, ADMIN_USER = stable_id("account", "admin"), stable_id("user", "admin")
SYSTEM_ACCOUNT, SYSTEM_USER = stable_id("account", "system"), stable_id("user", "system")
ADMIN_KEY = stable_id("api_key", "admin")
ROOT_ADMIN_ROLE = stable_id("role", "Root Admin")
BUILTIN_TEMPLATE = stable_id("template", "builtin")
NO_IMAGE = "its image is no part of this product: register one of your own"

# Entries of the vault. The first password is kept twice: hashed, to sign in with, and readable,
# for `sagastack credentials`, until the admin chooses another one.
FIRST_PASSWORD = stable_id("vault", "admin password, readable")
FIRST_PASSWORD_HASH = stable_id("vault", "admin password, hashed")
FIRST_SECRET_KEY = stable_id("vault", "admin secret key")
# Nothing is ever put here, so nobody signs in as the system user.
NO_PASSWORD = stable_id("vault", "no password")


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """The beginning, settled: the public half of the admin's API key is its only free choice."""

    api_key: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the first admin enters with. `password` is empty once it was changed."""

    api_key: str
    secret_key: str
    username: str
    password: str


async def begin(
    engine: Engine, vault: Vault, *, token: Callable[[int], str] = secrets.token_urlsafe
) -> None:
    """Begin the cloud if its log is empty; a cloud that has begun is left alone.

    Several controllers that begin it at one moment keep the same secrets, whoever's they are.
    """
    if engine.cloud.position > 0:
        return
    password = await vault.keep(token(PASSWORD_BYTES), key=FIRST_PASSWORD)
    await vault.hash_password(password, key=FIRST_PASSWORD_HASH)
    await vault.keep(token(KEY_BYTES), key=FIRST_SECRET_KEY)
    by = By(user_id=SYSTEM_USER, account_id=SYSTEM_ACCOUNT, action="SYSTEM.BEGIN")
    await engine.decide(Begin(api_key=token(KEY_BYTES)), by)


async def first_credentials(cloud: Cloud, vault: Vault) -> Credentials | None:
    """How the first admin gets in; None when the user or the key is gone."""
    user, key = cloud[users].get(ADMIN_USER), cloud[api_keys].get(ADMIN_KEY)
    if user is None or key is None:
        return None
    unchanged = user.password_ref == str(FIRST_PASSWORD_HASH)
    password = await vault.get(FIRST_PASSWORD) if unchanged else ""
    secret_key = await vault.get(UUID(key.secret_ref))
    return Credentials(key.key, secret_key, user.name, password)


@decision
def begin_cloud(ask: Begin, desk: Desk) -> None:
    """Write the first events in an order in which each names only what is there already."""

    def make(kind: str, name: str, **fields: Any) -> None:
        desk.create(stable_id(kind, name), RECORDS[kind].create({"name": name, **fields}))

    make("domain", "ROOT", path="/", level=0)
    for name, role_type, description, rules in ROLES:
        fields = {"role_type": role_type, "description": description, "rules": rules}
        make("role", name, is_default=not rules, **fields)
    _people(ask, make)
    for name, size in SERVICE_OFFERINGS.items():
        make("service_offering", name, display_text=name, **size)
    for name, size in DISK_OFFERINGS.items():
        make("disk_offering", name, **size)
    for name, manner in NETWORK_OFFERINGS.items():
        make("network_offering", name, state="Enabled", is_default=True, **manner)
    for name, manner in VPC_OFFERINGS.items():
        make("vpc_offering", name, state="Enabled", is_default=True, **manner)
    for name, (action, description) in NETWORK_ACLS.items():
        make("network_acl", name, description=description)
        _acl_items(desk, name, action)
    make("region", "Local", number=1, endpoint="http://localhost:8080/client/api")
    for category, types in OS_TYPES.items():
        make("os_category", category, is_featured=category != "None")
        for name in types:
            make("os_type", name, category_id=stable_id("os_category", category))
    for kind in ("KVM", "Simulator"):
        named = {"hypervisor": kind, "storage_motion_enabled": True, "vm_snapshot_enabled": True}
        row = RECORDS["hypervisor_capabilities"].create(named)
        desk.create(stable_id("hypervisor_capabilities", kind), row)
    _templates(desk)


def _people(ask: Begin, make: Callable[..., None]) -> None:
    """The admin, and the system account that owns what nobody made."""
    root: dict[str, Any] = {"domain_id": ROOT_DOMAIN}
    for name, password_ref in (("system", NO_PASSWORD), ("admin", FIRST_PASSWORD_HASH)):
        make("account", name, role_id=ROOT_ADMIN_ROLE, role_type="Admin", **root)
        owner = {"account_id": stable_id("account", name), "password_ref": str(password_ref)}
        make("user", name, first_name=name, last_name="cloud", **owner, **root)
    secret_ref = str(FIRST_SECRET_KEY)
    make("api_key", "admin", key=ask.api_key, user_id=ADMIN_USER, secret_ref=secret_ref)


def _acl_items(desk: Desk, name: str, action: str) -> None:
    """A built-in access list says the same of everything, both ways."""
    for number, way in ((1, "Ingress"), (2, "Egress")):
        fields = {
            "network_acl_id": stable_id("network_acl", name),
            "number": number,
            "protocol": "all",
            "cidrs": ["0.0.0.0/0"],
            "action": action,
            "traffic_type": way,
        }
        made = RECORDS["network_acl_item"].create(fields)
        desk.create(stable_id("network_acl_item", f"{name}/{way}"), made)


def _templates(desk: Desk) -> None:
    """One that simulated hosts know without an image, and those that tools look for by name.

    Of the latter no image is part of this product: they say so, and are not ready.
    """
    desk.create(
        BUILTIN_TEMPLATE,
        _template(
            "Tiny Linux (Simulator)",
            "Other Linux (64-bit)",
            display_text="A guest of the simulated data centre",
            hypervisor="Simulator",
            url="sim://builtin",
            requires_hvm=False,
        ),
    )
    ready = TemplateReady(
        path="sim:builtin",
        real_format="qcow2",
        size_bytes=GIB,
        physical_bytes=GIB // 16,
        checksum="",
    )
    desk.change(desk.row(templates, BUILTIN_TEMPLATE), ready)
    for name, template_type, os_type in TEMPLATES_WITHOUT_IMAGE:
        shown = template_type == "BUILTIN"
        row_id = stable_id("template", name)
        more = {"template_type": template_type, "is_public": shown, "is_featured": shown}
        desk.create(row_id, _template(name, os_type, **more))
        awaited = WORDS.copy_begun(copies=[Copy(state=ImageState.AWAITED)])
        failed = WORDS.failed(why=NO_IMAGE)
        desk.change(desk.row(templates, row_id), awaited, failed)


def _template(name: str, os_type: str, **more: Any) -> Event:
    """A template of the system's for everybody, less what `more` says otherwise."""
    fields: dict[str, Any] = {
        "display_text": name,
        "account_id": SYSTEM_ACCOUNT,
        "domain_id": ROOT_DOMAIN,
        "hypervisor": "KVM",
        "image_format": "QCOW2",
        "url": "",
        "os_type_id": stable_id("os_type", os_type),
        "zone_ids": [],
        "checksum": "",
        "is_public": True,
        "is_featured": True,
        "is_extractable": False,
        "password_enabled": False,
        "ssh_key_enabled": False,
        "requires_hvm": True,
        "is_dynamically_scalable": False,
        "template_type": "BUILTIN",
        "template_tag": "",
        "bits": 64,
        "arch": "x86_64",
        "details": {},
        "job_id": None,
    }
    return TemplateRegistered(name=name, **(fields | more))
