"""What DHCP tells a guest beside its addresses: options by number or name, on each network.

On the wire a group names its network and has a field for each option, `dhcp:66=tftp`; several in
one field, `dhcp=66:tftp,67:boot`, say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from uuid import UUID

from api.errors import InvalidValue

Options = dict[str, str]


def dhcp_options(
    groups: Iterable[Mapping[str, str]] | None, network_ids: Iterable[UUID], name: str
) -> dict[UUID, Options]:
    """Each network's options; only for networks that the guest is on."""
    if not groups:
        return {}
    known, found = {str(one): one for one in network_ids}, dict[UUID, Options]()
    for group in groups:
        fields = {field.lower(): value for field, value in group.items()}
        named = fields.pop("networkid", "")
        network_id = known.get(named.strip().lower())
        if network_id is None:
            raise InvalidValue(f"{name} names network {named[:50]}, which the guest is not on")
        found.setdefault(network_id, {}).update(options_of(fields, name))
    return found


def options_of(fields: Mapping[str, str], name: str) -> Options:
    """The options that the fields of a group say."""
    return dict(_each(fields, name))


def _each(fields: Mapping[str, str], name: str) -> Iterator[tuple[str, str]]:
    for field, value in fields.items():
        head, colon, option = field.lower().partition(":")
        if head != "dhcp":
            raise InvalidValue(f"{name}.{field[:50]} is no DHCP option: write dhcp:66=value")
        if colon:
            yield option.strip(), value.strip()
            continue
        for part in filter(None, value.split(",")):
            option, colon, told = part.partition(":")
            if not colon or not option.strip():
                raise InvalidValue(f"{part!r} is no DHCP option: write 66:value, with a colon")
            yield option.strip(), told.strip()
