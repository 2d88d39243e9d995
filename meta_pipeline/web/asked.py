"""What an address asks for: days and their comparison, read from it and written back into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from meta_pipeline.metrics.answers.period import EVERYTHING, PRESETS, Period
from meta_pipeline.metrics.errors import ImpossibleQuestion, UnknownName

DEFAULT_DAYS = "last_7d"
OFFERED = (
    "today", "yesterday", "last_3d", "last_7d", "last_14d", "last_28d", "last_30d", "last_90d",
    "this_week_mon_today", "last_week_mon_sun", "this_month", "last_month", "this_quarter",
    "last_quarter", "this_year", "last_year", "maximum",
)  # fmt: skip
_LONGEST_DAYS = 37 * 31
"""Meta keeps 37 months (FACTS 4.5); a range of centuries is a mistake."""


@dataclass(frozen=True, slots=True)
class AskedDays:
    """Days as they were asked for: a preset of Ads Manager, or first and last day."""

    preset: str | None
    since: date | None = None
    until: date | None = None

    @property
    def asked(self) -> str | tuple[date, date]:
        """As `metrics.query` takes it."""
        if self.preset is not None:
            return self.preset
        assert self.since is not None
        assert self.until is not None
        return self.since, self.until

    @property
    def params(self) -> dict[str, str]:
        """As it stands in an address."""
        if self.preset is not None:
            return {"days": self.preset}
        return {"since": str(self.since), "until": str(self.until)}

    @property
    def has_before(self) -> bool:
        """Whether there are days before them that a change could be measured against."""
        return self.preset not in EVERYTHING

    @property
    def label(self) -> str:
        """`Last 7 days`; the days themselves where they are no preset."""
        return preset_label(self.preset) if self.preset else f"{self.since} to {self.until}"


def days_of(params: QueryParams | Mapping[str, str], otherwise: str = DEFAULT_DAYS) -> AskedDays:
    """The days an address asks for; UnknownName or ImpossibleQuestion say what is wrong with them.

    First and last day win over a preset: who fills them in means them.
    """
    since, until = params.get("since", "").strip(), params.get("until", "").strip()
    if since or until:
        # Half a range is more likely a slip than a wish for all that lies on one side.
        if not (since and until):
            raise ImpossibleQuestion("A range has a first and a last day: give both, or a preset.")
        period = Period(day_of(since), day_of(until))
        if len(period) > _LONGEST_DAYS:
            raise ImpossibleQuestion(f"{period} is over 37 months, and Meta keeps no more.")
        return AskedDays(None, period.since, period.until)
    name = params.get("days") or otherwise
    if name not in PRESETS:
        raise UnknownName("date preset", name, PRESETS)
    return AskedDays(name)


def before(period: Period) -> Period:
    """As many days, just before these: what a change is measured against."""
    return Period(period.since - timedelta(days=len(period)), period.since - timedelta(days=1))


def preset_label(name: str) -> str:
    """`last_7d` as `Last 7 days`, as Ads Manager calls them."""
    known = _LABELS.get(name)
    if known is not None:
        return known
    words = name.replace("_", " ")
    if words.endswith("d") and words[-2].isdigit():
        words = f"{words[:-1]} days"
    return words[0].upper() + words[1:]


def address(path: str, *given: Mapping[str, object], **changed: object) -> str:
    """An address with these parameters; what is None or empty is left out."""
    values: dict[str, object] = {}
    for one in (*given, changed):
        values |= one
    kept = {name: value for name, value in values.items() if value not in (None, "", [], ())}
    return f"{path}?{urlencode(kept, doseq=True)}" if kept else path


def day_of(text: str) -> date:
    """A day of an address or a form; ImpossibleQuestion says how to write one."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ImpossibleQuestion(f"{text[:40]!r} is no day: write it as 2026-11-05.") from None


_LABELS = {
    "this_week_mon_today": "This week (from Monday)",
    "this_week_sun_today": "This week (from Sunday)",
    "last_week_mon_sun": "Last week (Monday to Sunday)",
    "last_week_sun_sat": "Last week (Sunday to Saturday)",
    "maximum": "Everything",
    "data_maximum": "Everything with data",
}
