"""Whose connection each ad account is read through, for the commands that list accounts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meta_pipeline.settings import Settings
    from meta_pipeline.warehouse import Warehouse

_ENVIRONMENT = "META_ACCESS_TOKEN"


@dataclass(frozen=True, slots=True)
class Connected:
    """The connection of one account, and the days it has left; `problem`: none lets us in."""

    connection: str | None
    days_left: int | None = None
    problem: str | None = None

    @classmethod
    def of_environment(cls, warehouse: Warehouse, settings: Settings, now: datetime) -> Connected:
        """META_ACCESS_TOKEN, with the nearest end of the tokens that were looked at lately."""
        if settings.access_token is None:
            return cls(None)
        ends = [
            end
            for row in warehouse.tokens.in_use()
            for end in (row.expires_at, row.data_access_expires_at)
            if end is not None
        ]
        # The token itself says nothing of its end: the tables have what `check` or a sync heard.
        return cls(_ENVIRONMENT, max(0, (min(ends) - now).days) if ends else None)

    @property
    def facts(self) -> dict[str, Any]:
        """As fields of JSON."""
        return {"connection": self.connection, "connection_days_left": self.days_left}

    @property
    def cell(self) -> str:
        """As a cell of a table."""
        if self.connection is None:
            return "none" if self.problem else "-"
        return (
            self.connection if self.days_left is None else f"{self.connection}, {self.days_left} d"
        )


def connected(
    warehouse: Warehouse, settings: Settings, accounts: Iterable[str], now: datetime
) -> dict[str, Connected]:
    """The connection of each account, by its id; asks nobody."""
    if not warehouse.connections.all():
        alone = Connected.of_environment(warehouse, settings, now)
        return dict.fromkeys(accounts, alone)
    # Not at the top: it brings the ciphers, and most installations have META_ACCESS_TOKEN alone.
    from meta_pipeline.connections import Reach

    reach, by_account = Reach.read(warehouse, settings, now, anywhere=True), {}
    for account_id in accounts:
        usable = reach.usable(account_id)
        by_account[account_id] = (
            Connected(usable[0].label, usable[0].days_left(now))
            if usable
            else Connected(None, problem=reach.why_none(account_id))
        )
    return by_account
