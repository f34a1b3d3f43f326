"""What is said of every new template and ISO, however its image comes."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.caller import Caller
from api.commands.image_checks import may_be_public
from api.declare import Length, Matches, Names, OneOf, part
from api.errors import InvalidValue
from api.scope import owner_for

ARCHES = OneOf("x86_64", "aarch64")


@part
class OwnerFields:
    """Who shall own what is made."""

    account: Annotated[str | None, "the account that shall own it"] = None
    domain_id: Annotated[UUID | None, "the domain of that account", Names("domain")] = None
    project_id: Annotated[UUID | None, "the project that shall own it", Names("project")] = None

    def owned(self, caller: Caller) -> dict[str, UUID]:
        account_id, domain_id = owner_for(
            caller, account=self.account, domain_id=self.domain_id, project_id=self.project_id
        )
        return {"account_id": account_id, "domain_id": domain_id}


@part
class ImageFields(OwnerFields):
    """What templates and ISOs have in common."""

    name: Annotated[str, "its name"]
    display_text: Annotated[str | None, "what it is; its name if not given", Length(4096)] = None
    os_type_id: Annotated[UUID | None, "the operating system in it", Names("os_type")] = None
    is_public: Annotated[bool | None, "whether everybody may use it"] = None
    is_featured: Annotated[bool | None, "whether it is shown first; for administrators"] = None

    def said(self, caller: Caller) -> dict[str, Any]:
        """The same as an intent says it. Only administrators feature anything."""
        return self.owned(caller) | {
            "name": self.name,
            "display_text": self.display_text or self.name,
            "os_type_id": self.os_type_id,
            "is_public": may_be_public(caller, self.is_public),
            "is_featured": bool(self.is_featured) and caller.is_root,
        }


@part
class FileFields(ImageFields):
    """What is said of an image that comes as a file."""

    checksum: Annotated[str | None, "what its file hashes to, for example {SHA-256}9f..."] = None
    is_extractable: Annotated[bool | None, "whether its image may be taken out"] = None

    def said(self, caller: Caller) -> dict[str, Any]:
        return ImageFields.said(self, caller) | {
            "checksum": self.checksum or "",
            "is_extractable": bool(self.is_extractable),
        }


@part
class TemplateFields:
    """What only templates have: how machines are made from them."""

    password_enabled: Annotated[bool | None, "whether guests take a password from the cloud"] = None
    ssh_key_enabled: Annotated[bool | None, "whether guests take an SSH key from the cloud"] = None
    requires_hvm: Annotated[bool | None, "whether it needs hardware virtualisation"] = None
    is_dynamically_scalable: Annotated[bool | None, "whether guests can be resized running"] = None
    template_tag: Annotated[str | None, "the tag that hosts must have"] = None
    bits: Annotated[int | None, "32 or 64", Matches("32|64", "32 or 64")] = None
    arch: Annotated[str | None, "the processor that it is for", ARCHES] = None
    details: Annotated[dict[str, str] | None, "settings of machines made from it"] = None

    def machines(self) -> dict[str, Any]:
        """The same as an intent says it."""
        return {
            "password_enabled": bool(self.password_enabled),
            "ssh_key_enabled": bool(self.ssh_key_enabled),
            "requires_hvm": self.requires_hvm is not False,
            "is_dynamically_scalable": bool(self.is_dynamically_scalable),
            "template_tag": self.template_tag or "",
            "bits": self.bits or 64,
            "arch": self.arch or "x86_64",
            "details": dict(self.details or {}),
        }


@part
class TypeFields:
    """What kind of template it is."""

    template_type: Annotated[str | None, "USER, VNF, or for administrators ROUTING, SYSTEM"] = None
    is_routing: Annotated[bool | None, "whether it is for routers; for administrators"] = None

    def type_for(self, caller: Caller) -> str:
        """Only administrators make those that the cloud runs itself."""
        wanted = ("ROUTING" if self.is_routing else self.template_type or "USER").upper()
        ruled = caller.is_root and wanted in ("ROUTING", "SYSTEM")
        if wanted not in ("USER", "VNF") and not ruled:
            raise InvalidValue(
                f"templatetype {wanted} cannot be given by {caller.identity.account}"
            )
        return wanted
