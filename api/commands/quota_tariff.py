"""Tariffs: what usage costs, and from when on."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from api.authz import noun
from api.commands.vm_checks import refuse_later
from api.declare import Bound, Caller, Length, Moment, Names, Success, command
from api.errors import InvalidValue, Unsupported
from api.lists import Filter, list_command
from api.views.quota import QuotaTariffView
from engine.intents.quota import EndTariff, ReplaceTariff
from engine.intents.record import CreateRecord, UpdateRecord
from projections.quota import QuotaTariff, quota_tariffs
from projections.setting import is_on

KIND = "quota_tariff"
PRICE_MAX = 1e12
noun(KIND, "catalogue")

Text = Annotated[str | None, "what it is for", Length(65_535)]
Rule = Annotated[str | None, "not offered: a condition in JavaScript", Length(65_535)]
Price = Bound(0, PRICE_MAX)


def check_enabled(caller: Caller) -> None:
    if not is_on(caller.cloud, "quota.enable.service"):
        raise Unsupported("usage costs nothing here: set quota.enable.service to true")


def check_start(caller: Caller, start_ms: int | None) -> int:
    """What was used already is not charged anew: a tariff begins now or later."""
    if start_ms is not None and start_ms < caller.now_ms - caller.now_ms % 1000:
        raise InvalidValue("startdate lies in the past: what was used then is charged already")
    return caller.now_ms if start_ms is None else max(start_ms, caller.now_ms)


@command(
    "quotaTariffCreate",
    returns=QuotaTariffView,
    key="quotatariff",
    allow="A",
    since="4.18.0.0",
    action="QUOTA.TARIFF.CREATE",
)
class CreateTariff:
    """Say what a kind of usage costs, from now or a later moment on."""

    name: Annotated[str, "its name", Length(65_535)]
    usage_type: Annotated[int, "what it is the price of, see listUsageTypes"]
    value: Annotated[float, "the price of a unit for a month of 30 days", Price]
    description: Text = None
    start_date: Annotated[Moment | None, "from when on it counts; now if omitted"] = None
    end_date: Annotated[Moment | None, "until when; for good if omitted"] = None
    position: Annotated[int | None, "its place among those of its kind", Bound(1)] = None
    activation_rule: Rule = None

    async def run(self, caller: Caller) -> QuotaTariff:
        check_enabled(caller)
        refuse_later(self, ("activation_rule",))
        row_id = caller.new_id()
        fields = {
            "name": self.name,
            "usage_type": self.usage_type,
            "value": str(self.value),
            "starts_at_ms": check_start(caller, self.start_date),
            "ends_at_ms": self.end_date or 0,
            "description": self.description or "",
            "position": self.position or 1,
        }
        await caller.decide(CreateRecord(kind=KIND, id=row_id, fields=fields))
        return caller.cloud[quota_tariffs][row_id]


@command(
    "quotaTariffUpdate",
    returns=QuotaTariffView,
    key="quotatariff",
    allow="A",
    action="QUOTA.TARIFF.UPDATE",
)
class UpdateTariff:
    """Change a tariff. Another price counts from now or later on, and the old one until then."""

    name: Annotated[str, "the tariff of this name", Length(65_535)]
    value: Annotated[float | None, "the price of a unit for a month of 30 days", Price] = None
    description: Text = None
    start_date: Annotated[Moment | None, "from when on the change counts"] = None
    end_date: Annotated[Moment | None, "until when it counts"] = None
    position: Annotated[int | None, "its place among those of its kind", Bound(1)] = None
    usage_type: Annotated[int | None, "taken if it is the tariff's: that never changes"] = None
    activation_rule: Rule = None

    async def run(self, caller: Caller) -> QuotaTariff:
        check_enabled(caller)
        refuse_later(self, ("activation_rule",))
        tariff = self._tariff(caller)
        if self.usage_type not in (None, tariff.usage_type):
            raise InvalidValue(f"usagetype of tariff {tariff.name} is {tariff.usage_type} for good")
        if self.end_date is not None and self.end_date < caller.now_ms:
            raise InvalidValue("enddate lies in the past: what was used then is charged already")
        told: dict[str, Any] = {
            "description": self.description,
            "position": self.position,
            "ends_at_ms": self.end_date,
        }
        fields = {name: value for name, value in told.items() if value is not None}
        if self.value is None and self.start_date is None:
            await caller.decide(UpdateRecord(kind=KIND, id=tariff.id, fields=fields))
            return caller.cloud[quota_tariffs][tariff.id]
        names = ("name", "usage_type", "value", "ends_at_ms", "description", "position")
        made = {name: getattr(tariff, name) for name in names} | fields
        made["starts_at_ms"] = check_start(caller, self.start_date)
        if self.value is not None:
            made["value"] = str(self.value)
        new_id = caller.new_id()
        await caller.decide(ReplaceTariff(id=tariff.id, new_id=new_id, fields=made))
        return caller.cloud[quota_tariffs][new_id]

    def _tariff(self, caller: Caller) -> QuotaTariff:
        """The newest of this name that was not ended."""
        for row in reversed(list(caller.cloud[quota_tariffs])):
            if row.name.casefold() == self.name.casefold() and not row.removed_at_ms:
                return row
        raise InvalidValue(f"there is no tariff {self.name[:100]}: quotaTariffList has them all")


@command(
    "quotaTariffDelete",
    returns=Success,
    allow="A",
    since="4.18.0.0",
    action="QUOTA.TARIFF.DELETE",
)
class DeleteTariff:
    """End a tariff now. What was used until now stays charged."""

    id: Annotated[UUID, "the tariff", Names(KIND, right="operate")]

    async def run(self, caller: Caller) -> None:
        check_enabled(caller)
        await caller.decide(EndTariff(id=self.id, at_ms=caller.now_ms))


@list_command(
    "quotaTariffList",
    view=QuotaTariffView,
    table=quota_tariffs,
    key="quotatariff",
    scope="catalogue",
    keyword=("name", "description"),
)
class ListTariffs:
    """List what usage costs: the tariffs that were not ended."""

    usage_type: Annotated[int | None, "of this kind of usage"] = None
    start_date: Annotated[Moment | None, "that begin then or later", Filter()] = None
    end_date: Annotated[Moment | None, "that end by then", Filter()] = None
    list_all: Annotated[bool | None, "also those that were ended", Filter()] = None
    list_only_removed: Annotated[bool | None, "only those that were ended", Filter()] = None

    def rows(self, caller: Caller) -> None:
        """Nowhere better to look than the table; asked for in vain where usage costs nothing."""
        check_enabled(caller)

    def matches(self, row: QuotaTariff, caller: Caller) -> bool:
        if self.list_only_removed and not row.removed_at_ms:
            return False
        if not (self.list_all or self.list_only_removed) and row.removed_at_ms:
            return False
        if self.start_date is not None and row.starts_at_ms < self.start_date:
            return False
        return self.end_date is None or 0 < row.ends_at_ms <= self.end_date
