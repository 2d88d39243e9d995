"""What is asked: metrics, accounts with their days, grouping; and whether it has an answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from psycopg import Connection

from meta_pipeline.metrics.definitions.definition import (
    DEFAULT_WINDOW,
    RETIRED_WINDOWS,
    WINDOWS,
    Metric,
)
from meta_pipeline.metrics.definitions.dictionary import Dictionary
from meta_pipeline.metrics.errors import (
    ImpossibleQuestion,
    UnknownAccount,
    UnknownName,
)
from meta_pipeline.metrics.once import once
from meta_pipeline.model.level import LEVELS
from meta_pipeline.warehouse import AccountAmbiguous, AccountIndex, AccountUnknown

from .bound import Bound
from .dimension import NO_CONVERSIONS_BY, Grouping
from .period import EVERYTHING, LONGEST_DAYS, Period, preset, today_in

Asked = tuple[str, date, date]
"""An account, and the first and last day that is asked of it."""
DateRange = str | tuple[date, date] | Callable[[date], tuple[date, date]]
"""A preset by name, the first and last day, or those two as a function of the account's day."""
PeriodOfEach = Mapping[str, Period]
"""The days of each account that is asked about, by its id."""
OPTIONAL_LEVELS = ("campaign", "adset")
"""Levels whose own daily rows are read only when META_INSIGHTS_LEVELS names them."""


@dataclass(frozen=True, slots=True)
class Account:
    """What an answer has to know of an ad account."""

    account_id: str
    name: str | None
    currency: str | None
    timezone_name: str | None
    is_simulated: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A question that has an answer; everything in it is known and allowed."""

    dictionary: Dictionary
    metrics: tuple[Metric, ...]
    accounts: tuple[Account, ...]
    periods: tuple[Period, ...]
    level: str
    grouping: Grouping
    attribution: str
    currency: str | None
    bound: Bound | None = None

    @property
    def account_ids(self) -> tuple[str, ...]:
        return tuple(account.account_id for account in self.accounts)

    @property
    def additive(self) -> list[Metric]:
        return [metric for metric in self.metrics if self.dictionary.is_additive(metric)]

    @property
    def people(self) -> list[Metric]:
        """Metrics that count people, or divide by them: from rows of the very level and range."""
        return [metric for metric in self.metrics if not self.dictionary.is_additive(metric)]

    @property
    def by_goal(self) -> bool:
        """Whether something counts what each ad set is optimised for."""
        names = _with_references(self.dictionary, self.metrics)
        return any(self.dictionary.metrics[name].by_goal for name in names)

    @property
    def counts_conversions(self) -> bool:
        """Whether something is counted that happens off Meta, within an attribution window."""
        types = [self.dictionary.action_types(metric) for metric in self.metrics]
        return self.by_goal or any(map(self.dictionary.families.off_meta, types))

    @property
    def parts_by_goal(self) -> set[str]:
        """Sums of which only the part counts that has results of a goal: spend, for their cost."""
        return {
            variant.metric.numerator or ""
            for metric in self.metrics
            for account_id in self.account_ids
            for variant in self.dictionary.variants(metric.key, account_id)
            if self.dictionary.is_by_goal(variant.metric.denominator)
        }

    @property
    def needs_money(self) -> bool:
        return any(map(self.dictionary.has_money, self.metrics))

    @property
    def currencies(self) -> dict[str, str | None]:
        """What the amounts of each account are in, by its id; empty where none is asked for."""
        asked = self.accounts if self.needs_money else ()
        return {one.account_id: self.currency or one.currency for one in asked}

    @property
    def mixed_currencies(self) -> set[str]:
        """Those that its amounts are of, where they are of several and none was asked for."""
        currencies = {account.currency or "unknown" for account in self.accounts}
        is_mixed = self.currency is None and self.needs_money and len(currencies) > 1
        return currencies if is_mixed else set()

    @property
    def period(self) -> Period:
        """From the first day of any account to the last of any."""
        return Period(
            min(period.since for period in self.periods),
            max(period.until for period in self.periods),
        )

    @property
    def has_same_days(self) -> bool:
        """Whether all accounts ask for the same days; else they are in zones apart."""
        return len(set(self.periods)) == 1

    @property
    def asked(self) -> list[Asked]:
        """The days of each account."""
        return [
            (account.account_id, period.since, period.until)
            for account, period in zip(self.accounts, self.periods, strict=True)
        ]

    def of(self, account_ids: Collection[str]) -> Question:
        """The same question about these of its accounts."""
        kept = [
            (account, period)
            for account, period in zip(self.accounts, self.periods, strict=True)
            if account.account_id in account_ids
        ]
        return replace(
            self,
            accounts=tuple(account for account, _ in kept),
            periods=tuple(period for _, period in kept),
        )

    def variant_notes(self) -> dict[str, list[dict[str, Any]]]:
        """The overrides in use, per metric: account, days, note, what differs."""
        names = _with_references(self.dictionary, self.metrics)
        notes: dict[str, list[dict[str, Any]]] = {}
        periods = dict(zip(self.account_ids, self.periods, strict=True))
        for override in self.dictionary.overrides:
            period, (since, until) = periods.get(override.account), override.days
            touched = period is not None and since <= period.until and until >= period.since
            if override.metric in names and touched:
                kept = override.model_dump(mode="json", exclude_none=True, exclude={"metric"})
                notes.setdefault(override.metric, []).append(kept)
        return notes


def known_accounts(
    connection: Connection[Any], account: str | Sequence[str] | None
) -> tuple[Account, ...]:
    """The accounts asked for (all without a name); UnknownName offers near ids and names."""
    rows = once(
        connection,
        "accounts",
        lambda: [
            Account(*row)
            for row in connection.execute(
                "SELECT account_id, name, currency, timezone_name, is_simulated"
                " FROM meta_ads.meta_ad_accounts ORDER BY account_id"
            )
        ],
    )
    if account is None:
        if not rows:
            raise UnknownName("account", "(any)", (), hint="Sync one first: meta-pipeline sync.")
        return tuple(rows)
    wanted = [account] if isinstance(account, str) else list(dict.fromkeys(account))
    if not wanted:
        raise ImpossibleQuestion(
            "The list of ad accounts is empty: name one, or leave it out to ask about all."
        )
    # Pages ask by id, of a thousand accounts for each: a name is looked for in all of them.
    by_id, index = {row.account_id: row for row in rows}, AccountIndex(rows)
    return tuple(by_id.get(name) or _find(name, index) for name in wanted)


def _find(wanted: str, index: AccountIndex[Account]) -> Account:
    try:
        return index.find(wanted)
    except AccountUnknown as error:
        raise UnknownAccount(error) from None
    except AccountAmbiguous as error:
        raise ImpossibleQuestion(str(error)) from None


def periods(
    connection: Connection[Any],
    accounts: Sequence[Account],
    date_range: DateRange | PeriodOfEach,
    now: datetime,
) -> tuple[Period, ...]:
    """The days asked for, in each account's own time zone.

    ImpossibleQuestion for a range of more than ten years; a preset is as long as what is kept.
    """
    if isinstance(date_range, Mapping):
        return tuple(_of_years(date_range[account.account_id]) for account in accounts)
    if callable(date_range):
        return tuple(
            _of_years(Period(*date_range(today_in(account.timezone_name, now))))
            for account in accounts
        )
    if not isinstance(date_range, str):
        since, until = date_range
        # Days by name are the same days everywhere; they only begin at another hour.
        return (_of_years(Period(since, until)),) * len(accounts)
    # One look-up an account, and only where everything is asked for.
    first = _first_days(connection, accounts) if date_range in EVERYTHING else {}
    return tuple(
        preset(date_range, today_in(a.timezone_name, now), first.get(a.account_id))
        for a in accounts
    )


def _of_years(period: Period) -> Period:
    if len(period) > LONGEST_DAYS:
        raise ImpossibleQuestion(
            f"{period} is over ten years, and Meta keeps 37 months: ask for fewer days, or for "
            "the preset maximum."
        )
    return period


def _first_days(connection: Connection[Any], accounts: Sequence[Account]) -> dict[str, date]:
    return dict(
        connection.execute(
            """SELECT given.account_id, (
                   SELECT date_start FROM meta_ads.meta_insights AS i
                   WHERE i.account_id = given.account_id ORDER BY date_start LIMIT 1)
               FROM unnest(%s::text[]) AS given (account_id)""",
            ([account.account_id for account in accounts],),
        ).fetchall()
    )


def as_arrays(asked: Sequence[Asked]) -> dict[str, list[Any]]:
    """Accounts and their days as parameters `accounts`, `since`, `until`, side by side."""
    accounts, since, until = ([row[n] for row in asked] for n in range(3))
    return {"accounts": accounts, "since": since, "until": until}


def rows_of_each(
    asked: Sequence[Asked], rows: Iterable[tuple[Any, ...]]
) -> dict[Asked, list[tuple[Any, ...]]]:
    """The rows of each, which begin with its account, without that; an empty list where none is."""
    by_account: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for account_id, *row in rows:
        by_account[account_id].append(tuple(row))
    return {one: by_account.get(one[0], []) for one in asked}


def check_window(attribution: str) -> str:
    """The attribution window, if it has data; otherwise what is wrong with it."""
    if attribution in RETIRED_WINDOWS:
        raise ImpossibleQuestion(
            f"Meta gives no data for {attribution} since 2026-01-12, and no error either: it would "
            f"look like zero. Windows with data: {', '.join(WINDOWS)}."
        )
    if attribution not in WINDOWS:
        raise UnknownName("attribution window", attribution, WINDOWS)
    return attribution


def how_to_read(question: Question) -> str:
    """What to set and to run, so that the rows of the question's own level are there."""
    level = question.level
    setting = f"Add {level} to META_INSIGHTS_LEVELS (ad,{level}), then read these days: "
    sync = sync_command(question.account_ids, question.period)
    return f"{setting if level in OPTIONAL_LEVELS else 'Read these days: '}{sync}"


def sync_command(account_ids: Sequence[str], period: Period, *options: str) -> str:
    """What to type to read these days, with the other accounts mentioned if there are any."""
    days = f"--since {period.since} --until {period.until}"
    several = " (and likewise for the other accounts)" if len(account_ids) > 1 else ""
    return " ".join(["meta-pipeline sync", account_ids[0], days, *options]) + several


def check(question: Question) -> None:
    """Refuse what has no right answer, whatever its amounts are in, and say what has one."""
    if question.bound:
        question.bound.check(question.periods)
    _check_conversions(question)
    for metric in question.people:
        _check_people(question, metric)


def _check_conversions(question: Question) -> None:
    split = [
        n for n in (*question.grouping.by, *question.grouping.filters) if n in NO_CONVERSIONS_BY
    ]
    if not split:
        return
    for metric in question.metrics:
        types = question.dictionary.action_types(metric)
        if question.dictionary.families.off_meta(types):
            raise ImpossibleQuestion(
                f"{metric.key} by {split[0]} is refused: since 2021 Meta leaves actions outside "
                f"its apps out of rows by {' or '.join(NO_CONVERSIONS_BY)}, so the numbers would "
                "be too small without saying so. Ask by day, or for spend, impressions, clicks."
            )
        if "hour" in split and metric.list == "video_thruplay_watched_actions":
            raise ImpossibleQuestion(f"{metric.key} by hour is refused: Meta has no video by hour.")


def _check_people(question: Question, metric: Metric) -> None:
    """People can only be read from a row of exactly this level and range."""
    grouping, level = question.grouping, question.level
    why = f"{metric.key} counts people: added up, whoever was seen twice would count twice."
    if "hour" in grouping.times:
        raise ImpossibleQuestion(f"{why} By hour Meta does not give it at all. Ask by day.")
    if grouping.attributes:
        raise ImpossibleQuestion(f"{why} By {grouping.attributes[0]} several {level}s are one row.")
    wanted = {"account"} if level == "account" else {level}
    # One account is one row, whether it is grouped by or not.
    alone = level == "account" and len(question.accounts) == 1
    if not alone and not wanted & set(grouping.entities):
        raise ImpossibleQuestion(
            f"{why} Rows of level {level} need by=['{level}']"
            + ("" if level == "account" else " (or ask with level='account')")
            + "."
        )
    finer = [f for f in grouping.levels if LEVELS.index(f) > LEVELS.index(level)]
    if finer:
        raise ImpossibleQuestion(
            f"{why} A filter on {finer[0]} would take part of each {level}: ask with "
            f"level='{finer[0]}', by=['{finer[0]}']."
        )
    if grouping.breakdowns and grouping.times != ("day",) and len(question.period) > 1:
        raise ImpossibleQuestion(
            f"{why} Breakdown rows are kept by day: add 'day' to by, or ask for one day."
        )


def _with_references(dictionary: Dictionary, metrics: Sequence[Metric]) -> set[str]:
    keys: set[str] = set()
    for metric in metrics:
        inner = [dictionary.metrics[n] for n in metric.references if n in dictionary.metrics]
        keys |= {metric.key} | _with_references(dictionary, inner)
    return keys


__all__ = [
    "DEFAULT_WINDOW",
    "OPTIONAL_LEVELS",
    "Account",
    "Asked",
    "DateRange",
    "PeriodOfEach",
    "Question",
    "as_arrays",
    "check",
    "check_window",
    "how_to_read",
    "known_accounts",
    "periods",
    "rows_of_each",
    "sync_command",
]
