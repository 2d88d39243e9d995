"""Which extras the settings switch on, account by account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from meta_pipeline.custom_reports import CustomReport, load
from meta_pipeline.model.part import Part
from meta_pipeline.settings import Chosen, Settings


@dataclass(frozen=True, slots=True)
class Extras:
    """The accounts each extra is on for; `breakdowns` are those kept where nobody names others.

    `reports` are the custom ones, each with accounts of its own.
    """

    accounts: Mapping[Part, Chosen] = field(default_factory=dict)
    breakdowns: tuple[tuple[str, ...], ...] = ()
    reports: tuple[CustomReport, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> Extras:
        """As META_CREATIVES, META_ACTIVITIES, META_RECOMMENDATIONS, META_CUSTOM_CONVERSIONS,
        META_CUSTOM_AUDIENCES, META_IMAGES, META_HOURLY, META_BREAKDOWNS and META_REPORTS_FILE say.
        """
        return cls(
            {
                Part.CREATIVES: settings.creative_accounts,
                Part.ACTIVITIES: settings.activity_accounts,
                Part.RECOMMENDATIONS: settings.recommendation_accounts,
                Part.CUSTOM_CONVERSIONS: settings.custom_conversion_accounts,
                Part.CUSTOM_AUDIENCES: settings.custom_audience_accounts,
                Part.IMAGES: settings.image_accounts,
                Part.HOURLY: settings.hourly_accounts,
                Part.BREAKDOWNS: settings.breakdown_accounts,
            },
            settings.breakdowns,
            load(settings.reports_file) if settings.reports_file else (),
        )

    def on(self, account_id: str) -> frozenset[Part]:
        """The extras that are on for an account."""
        on = {part for part, chosen in self.accounts.items() if account_id in chosen}
        if any(report.is_for(account_id) for report in self.reports):
            on.add(Part.REPORTS)
        return frozenset(on)
