"""A setting as clients see it."""

from __future__ import annotations

from typing import Annotated

from api.declare import View, view
from projections.setting import KnownSetting

TYPES = {"Boolean": "Boolean", "Integer": "Number", "Decimal": "Decimal", "String": "String"}


@view
class ConfigurationView(View, kw_only=True):
    name: Annotated[str, "its name"]
    value: Annotated[str, "the value that counts"]
    default_value: Annotated[str, "what counts while nobody changed it"]
    category: Annotated[str, "what it is about"]
    group: Annotated[str, "what it is about, in broad terms"]
    subgroup: Annotated[str, "and in narrower ones"]
    scope: Annotated[str, "where it was asked for, or where it can be set, with commas"]
    description: Annotated[str, "what it does"]
    display_text: Annotated[str, "its name in words"]
    is_dynamic: Annotated[bool, "whether a change counts at once"]
    component: Annotated[str, "what reads it; none if nothing does"]
    type: Annotated[str, "the type of its value"]
    options: Annotated[str | None, "all that it can be, with commas"] = None
    range: Annotated[str, "what its value may be, in words"]

    @classmethod
    def made(cls, known: KnownSetting, value: str, scope: str = "") -> ConfigurationView:
        group, subgroup = known.group
        return cls(
            name=known.name,
            value=value,
            default_value=known.default,
            category=known.category,
            group=group,
            subgroup=subgroup,
            scope=scope or ",".join(known.scopes),
            description=known.text,
            display_text=known.name.replace(".", " ").capitalize(),
            is_dynamic=True,
            component="none" if known.kept else "engine",
            type=TYPES[known.kind],
            options=",".join(known.options) or None,
            range=known.range,
        )


@view
class ConfigurationSubgroupView(View, kw_only=True):
    name: Annotated[str, "its name"]
    precedence: Annotated[int, "its place in the list"]


@view
class ConfigurationGroupView(View, kw_only=True):
    name: Annotated[str, "its name"]
    description: Annotated[str, "what its settings are about"]
    precedence: Annotated[int, "its place in the list"]
    subgroup: Annotated[list[ConfigurationSubgroupView], "its parts"]
