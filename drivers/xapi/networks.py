"""Networks that guests are put on: by the label of the traffic type, and by VLAN.

A label is a network's name. With a VLAN it is the network of the tagged cards upon that network's
own, on every host of the pool, which is made when it is first needed. A bond's traffic goes through
the bond's own card.
"""

from __future__ import annotations

from collections.abc import Mapping

from drivers.contract.compute import NicSpec
from drivers.contract.errors import DriverError, Refused
from drivers.xapi.client import Line
from drivers.xapi.errors import code_of
from drivers.xapi.marks import NULLS, PREFIX, Record

UNTAGGED = -1


class Networks:
    """The networks as one host sees them."""

    def __init__(self, line: Line, host_uuid: str) -> None:
        self._line, self._host_uuid = line, host_uuid
        self._known: dict[tuple[str, int | None], str] = {}

    async def of(self, nic: NicSpec) -> str:
        """The network that a card belongs on. Refused: there is no such label."""
        wanted = (nic.bridge, nic.vlan)
        known = self._known.get(wanted)
        if known is None or not await self._is_there(known):
            async with self._line.turn("network", *wanted):
                base = await self._labelled(nic.bridge)
                known = base if nic.vlan is None else await self._tagged(base, nic.vlan)
            self._known[wanted] = known
        return known

    async def _is_there(self, network: str) -> bool:
        try:
            await self._line.call("network.get_uuid", network)
        except DriverError as error:
            if code_of(error) == "HANDLE_INVALID":
                return False
            raise
        return True

    async def _labelled(self, label: str) -> str:
        if not label:
            host = await self._line.host(self._host_uuid)
            for card in (await self._line.call("PIF.get_all_records")).values():
                if card["host"] == host and card["management"]:
                    return str(card["network"])
            raise Refused("the host has no management network: set xennetworklabel")
        found: list[str] = await self._line.call("network.get_by_name_label", label)
        if len(found) == 1:
            return found[0]
        if found:
            raise Refused(f"several networks of the pool are called {label!r}: rename all but one")
        names = sorted(
            one["name_label"] for one in (await self._line.call("network.get_all_records")).values()
        )
        raise Refused(f"the pool has no network {label!r}, but {', '.join(names)}")

    async def _tagged(self, base: str, tag: int) -> str:
        """The network of a VLAN, whoever made it; two who make it at once end with one."""
        cards: Mapping[str, Record] = await self._line.call("PIF.get_all_records")
        under = await self._under(base, cards)
        there = _vlan_network(cards, cards[under]["device"], tag)
        if there:
            return there
        name = await self._line.call("network.get_name_label", base)
        made = await self._line.call(
            "network.create",
            {
                "name_label": f"{name} VLAN {tag}", "name_description": "made by sagastack",
                "MTU": 1500, "other_config": {f"{PREFIX}vlan": f"{tag}"}, "tags": [],
            },
        )  # fmt: skip
        try:
            await self._line.run("pool.create_VLAN_from_PIF", under, made, tag)
        except DriverError as error:
            if code_of(error) != "PIF_VLAN_EXISTS":
                raise
            await self._line.call("network.destroy", made)
            cards = await self._line.call("PIF.get_all_records")
            there = _vlan_network(cards, cards[under]["device"], tag)
            if not there:
                raise
            return there
        return str(made)

    async def _under(self, base: str, cards: Mapping[str, Record]) -> str:
        """This host's card that carries the network: a bond's own rather than one of its slaves."""
        host = await self._line.host(self._host_uuid)
        for ref, card in cards.items():
            if (card["network"], card["host"], card["VLAN"]) != (base, host, UNTAGGED):
                continue
            if card["bond_slave_of"] in NULLS:
                return ref
            return str(await self._line.call("Bond.get_master", card["bond_slave_of"]))
        raise Refused("a VLAN needs a network with a card of the host's: this one has none")


def _vlan_network(cards: Mapping[str, Record], device: str, tag: int) -> str:
    for card in cards.values():
        if (card["device"], card["VLAN"]) == (device, tag):
            return str(card["network"])
    return ""
