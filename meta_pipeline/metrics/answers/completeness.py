"""How complete an answer is: days not fetched, days that may still move, when it was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from psycopg import Connection

from meta_pipeline.metrics.once import once_each

from .contradiction import Contradiction, contradictions, sentences
from .period import Period, today_in
from .question import Question, as_arrays, rows_of_each, sync_command

MOST_DAYS = 1_000
"""Days that `shortened` names of each list at most."""
_LISTS = ("missing_days", "settling_days", "future_days", "contradicted_days")


@dataclass(frozen=True, slots=True)
class Completeness:
    """What the ledger `sync_windows` says about the days of a question.

    Days are days of each account's zone, keyed by account where an account has any.
    """

    dataset: str
    """The ledger's name of the rows that were read."""
    days_asked: int
    """Of all accounts together."""
    missing_days: dict[str, list[date]]
    """Never fetched: their numbers are unknown, not zero."""
    settling_days: dict[str, list[date]]
    """Read before Meta's 28 days were over: they may still move."""
    future_days: dict[str, list[date]]
    """Have not begun."""
    data_as_of: datetime | None
    """When the newest day was read."""
    oldest_read_at: datetime | None
    """When the day was read that was read longest ago."""
    contradicted: tuple[Contradiction, ...] = ()
    """Days whose ad rows the account's own row contradicts."""
    is_filtered: bool = False
    """Whether only some of the account was asked for."""

    @property
    def is_complete(self) -> bool:
        return not (self.missing_days or self.future_days or self.contradicted)

    @property
    def contradicted_days(self) -> dict[str, list[date]]:
        """By account: the days whose numbers at ad level are known not to be all there is."""
        days: dict[str, list[date]] = {}
        for one in self.contradicted:
            days.setdefault(one.account_id, []).append(one.day)
        return days

    @property
    def is_unknown(self) -> bool:
        """Whether not one of the days was ever fetched."""
        lists = [*self.missing_days.values(), *self.future_days.values()]
        return sum(map(len, lists)) == self.days_asked

    @property
    def is_final(self) -> bool:
        return self.is_complete and not self.settling_days

    def unread(self, question: Question) -> set[str]:
        """Accounts of which not one of the days was ever fetched."""
        lists = (self.missing_days, self.future_days)
        return {
            account_id
            for account_id, period in zip(question.account_ids, question.periods, strict=True)
            if sum(len(one.get(account_id, ())) for one in lists) == len(period)
        }

    def unknown(self) -> set[date]:
        """Days on which at least one account has no number."""
        lists = [*self.missing_days.values(), *self.future_days.values()]
        return {day for days in lists for day in days}

    def settling(self) -> set[date]:
        return {day for days in self.settling_days.values() for day in days}

    def facts(self) -> dict[str, Any]:
        """All of it as plain values, for `DataFrame.attrs`; days as ISO text."""
        # Not `asdict`, which copies every day of a thousand accounts one by one.
        values: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self)}
        del values["contradicted"], values["is_filtered"]
        values["contradicted_days"] = self.contradicted_days
        for name in _LISTS:
            values[name] = {
                account: [day.isoformat() for day in days] for account, days in values[name].items()
            }
        for name in ("data_as_of", "oldest_read_at"):
            values[name] = values[name].isoformat() if values[name] else None
        return values | {"is_complete": self.is_complete, "is_final": self.is_final}

    def notes(self) -> list[str]:
        """Sentences for people; empty when everything is in and final."""
        said = sentences(self.contradicted, self.is_filtered)
        if count := sum(len(days) for days in self.missing_days.values()):
            # One command to type, for the first account; that there are others it says beside it.
            accounts = list(self.missing_days)
            days = self.missing_days[accounts[0]]
            hourly = ["--with insights_hourly"] if self.dataset == "insights_hourly" else []
            fetch = sync_command(accounts, Period(min(days), max(days)), *hourly)
            said.append(
                f"{count} of {self.days_asked} days were never fetched ({_shown(self.unknown())}): "
                f"their numbers are unknown. Fetch them: {fetch}"
            )
        if count := sum(len(days) for days in self.future_days.values()):
            said.append(f"{count} of {self.days_asked} days have not begun.")
        if self.settling_days:
            first = min(day for days in self.settling_days.values() for day in days)
            said.append(f"Meta may still restate the days from {first}.")
        return said


def completeness(
    connection: Connection[Any], question: Question, dataset: str, now: datetime
) -> Completeness:
    """What is known of the question's days in the ledger, under `dataset`."""
    ledger = once_each(
        connection,
        f"ledger of {dataset}",
        question.asked,
        lambda some: rows_of_each(
            some, connection.execute(_LEDGER, {**as_arrays(some), "dataset": dataset})
        ),
    )
    missing, settling, future = {}, {}, {}
    reads: list[tuple[date, datetime]] = []
    for account, period, asked in zip(
        question.accounts, question.periods, question.asked, strict=True
    ):
        today = today_in(account.timezone_name, now)
        # Days that were read: when last, and whether they are final.
        known = {day: (fetched, is_final) for day, fetched, is_final in ledger[asked]}
        # Today is among them until it is read once: it has begun.
        missing[account.account_id] = [d for d in period if d not in known and d <= today]
        future[account.account_id] = [d for d in period if d not in known and d > today]
        settling[account.account_id] = sorted(d for d, (_, final) in known.items() if not final)
        reads += [(d, fetched) for d, (fetched, _) in known.items()]
    return Completeness(
        dataset=dataset,
        days_asked=sum(len(period) for period in question.periods),
        missing_days=_filled(missing),
        settling_days=_filled(settling),
        future_days=_filled(future),
        # Of the newest day: older days are read rarely, and would make an answer look old.
        data_as_of=max(reads)[1] if reads else None,
        oldest_read_at=min((fetched for _, fetched in reads), default=None),
        contradicted=tuple(contradictions(connection, question)),
        is_filtered=bool(question.grouping.filters),
    )


def shortened(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts with `MOST_DAYS` of each list of days at most, account by account.

    `more_days` has how many others each list has. For each page of an answer: of a fleet the days
    alone are megabytes.
    """
    short: dict[str, Any] = {**facts, "more_days": {}}
    for name in _LISTS:
        days = facts.get(name, {})
        left, kept = MOST_DAYS, {}
        for account in days:
            if left:
                kept[account] = days[account][:left]
                left -= len(kept[account])
        more = sum(map(len, days.values())) - (MOST_DAYS - left)
        if more:
            short[name], short["more_days"][name] = kept, more
    return short


_LEDGER = """
    SELECT read.account_id, read.date_start, read.fetched_at, coalesce(read.is_final, false)
    FROM unnest(%(accounts)s::text[], %(since)s::date[], %(until)s::date[])
        AS asked (account_id, since, until)
    JOIN meta_ads.sync_windows AS read ON read.account_id = asked.account_id
        AND read.date_start BETWEEN asked.since AND asked.until
    WHERE read.dataset = %(dataset)s
"""


def _filled(lists: dict[str, list[date]]) -> dict[str, list[date]]:
    return {account: days for account, days in lists.items() if days}


def _shown(days: Iterable[date]) -> str:
    ordered = sorted(days)
    if len(ordered) <= 3:
        return ", ".join(map(str, ordered))
    return f"{ordered[0]} to {ordered[-1]}"
