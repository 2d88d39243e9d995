"""What can go wrong when a number is asked for, and what to do about it.

MetricsError
  DictionaryError      the dictionary file is wrong: fix the line it names
  UnknownName          no such metric, dimension, filter or preset: pick a near one
    UnknownAccount     no ad account is called that: pick a near one
  ImpossibleQuestion   the combination has no right answer: the message says which one has
    MixedCurrencies    amounts of several currencies: name a currency to convert to
      ChangedCurrency  an account changed its own: ask for each range of days by itself
    MissingRate        no exchange rate for a day: load one
    TooMuch            more than is answered at once: ask for less of it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

from meta_pipeline.alike import alike
from meta_pipeline.warehouse import AccountUnknown

HeldRange = tuple[str, date, date]
"""A currency, and the first and the last of the days that have amounts in it."""


class MetricsError(Exception):
    """Base of everything this room refuses; the message is meant for the person who asked."""


class DictionaryError(MetricsError):
    """The dictionary file is wrong; `path` and `line` say where (line counts from 1)."""

    def __init__(self, problem: str, *, path: Path | str, line: int | None = None) -> None:
        self.problem, self.path, self.line = problem, str(path), line
        where = f"{Path(path).name}:{line}" if line else Path(path).name
        super().__init__(f"{where}: {problem}")


class UnknownName(MetricsError):
    """A name nobody declared; `near` holds the closest known ones, best first."""

    def __init__(
        self,
        kind: str,
        name: str,
        known: Iterable[str],
        *,
        hint: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> None:
        names = sorted(set(known))
        self.kind, self.name, self.near = kind, name, near(name, names)
        shown = labels or {}
        near_ones = list(dict.fromkeys(shown.get(each, each) for each in self.near))
        # An account is known by its id and its name, and listed once.
        listed = list(dict.fromkeys(shown.get(each, each) for each in names))
        offer = _offer(near_ones, listed)
        super().__init__(f"There is no {kind} {name!r}. {offer} {hint}".strip())


class UnknownAccount(UnknownName):
    """No ad account is called that; `near` holds the ids of the closest ones, best first."""

    def __init__(self, error: AccountUnknown) -> None:
        self.kind, self.name = "ad account", error.wanted
        self.near = [one.account_id for one in error.near]
        MetricsError.__init__(self, str(error))


class ImpossibleQuestion(MetricsError):
    """The combination asked for has no right answer; the message says why and what has one."""


class MixedCurrencies(ImpossibleQuestion):
    """Amounts in several currencies cannot be added; `currencies` lists them."""

    def __init__(self, currencies: Iterable[str], why: str | None = None) -> None:
        self.currencies = sorted(currencies)
        super().__init__(
            why
            or f"The amounts are in {', '.join(self.currencies)} and cannot be added. "
            "Ask by account (--by account, by=['account']), or name a currency to convert to with "
            "the table exchange_rates (--currency EUR, currency='EUR')."
        )


class ChangedCurrency(MixedCurrencies):
    """Accounts have amounts of several currencies each; `whys` says which and when, by id.

    `ranges` has the currencies of each within the days asked for, by id; none where those are of
    two questions.
    """

    def __init__(
        self,
        currencies: Iterable[str],
        whys: Mapping[str, str],
        ranges: Mapping[str, Sequence[HeldRange]] | None = None,
    ) -> None:
        self.whys, self.ranges = whys, ranges or {}
        super().__init__(currencies, next(iter(whys.values())))

    @property
    def apart(self) -> list[tuple[str, str, date, date]]:
        """Accounts with each range that has an answer by itself: no day of another currency."""
        # Days that were stored again since may lie between those of before.
        return [
            (account_id, currency, since, until)
            for account_id, ranges in self.ranges.items()
            for currency, since, until in ranges
            if all(currency == other or until < a or b < since for other, a, b in ranges)
        ]


class MissingRate(ImpossibleQuestion):
    """An amount cannot be converted because no rate is known for its day."""


class TooMuch(ImpossibleQuestion):
    """More days or rows than the question's `Bound` has."""


def near(name: str, names: Iterable[str]) -> list[str]:
    """Up to three of `names` that look like `name`, best first."""
    by_lower = {known.lower(): known for known in names}
    # Half of the letters: a misspelt name is found, and nonsense is offered nothing.
    close = alike(name.lower(), by_lower, cutoff=0.5)
    return [by_lower[lower] for lower in close]


def _offer(close: list[str], names: list[str]) -> str:
    if close:
        return f"Did you mean {' or '.join(close)}?"
    if not names:
        return "None is known yet."
    # Metrics are about that many; names of accounts may be thousands.
    shown = ", ".join(names[:30])
    return f"Known: {shown}{', ...' if len(names) > 30 else ''}."
