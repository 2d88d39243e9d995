"""Which extras the settings switch on, account by account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from meta_pipeline.model.part import Part
from meta_pipeline.settings import Chosen, Settings


@dataclass(frozen=True, slots=True)
class Extras:
    """The accounts each extra is on for; `breakdowns` are those kept where nobody names others."""

    accounts: Mapping[Part, Chosen] = field(default_factory=dict)
    breakdowns: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> Extras:
        """As META_CREATIVES, META_ACTIVITIES, META_HOURLY and META_BREAKDOWNS say."""
        return cls(
            {
                Part.CREATIVES: settings.creative_accounts,
                Part.ACTIVITIES: settings.activity_accounts,
                Part.HOURLY: settings.hourly_accounts,
                Part.BREAKDOWNS: settings.breakdown_accounts,
            },
            settings.breakdowns,
        )

    def on(self, account_id: str) -> frozenset[Part]:
        """The extras that are on for an account."""
        return frozenset(part for part, chosen in self.accounts.items() if account_id in chosen)
