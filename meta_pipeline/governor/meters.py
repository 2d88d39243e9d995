"""All meters: what is known now, how old it is and when it stops mattering."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from meta_pipeline.model.limit import Limit
from meta_pipeline.model.usage import APP, Meter, MeterScope, UsageReading, worst_of_each

from .effective_reading import EffectiveReading
from .meter_history import MeterHistory
from .thresholds import Thresholds

LONGEST_GUESS_SECONDS = 3600.0
"""Real blocks were seen to last an hour (FACTS §3.3)."""
# Far past the longest guess already; without it a long refusal makes a number too big.
_DOUBLED_AT_MOST = 10


class Meters:
    """What this process knows of Meta's meters, asked for calls of one `app` (its key).

    Not thread-safe, no clock of its own.

    meters.observe(shared)                                  # readings of other processes
    meters.sent("act_1", "ads_insights")                    # a call goes out ...
    meters.answered("act_1", "ads_insights", at, readings)  # ... and comes back
    meters.current("act_1", now)                            # what is known, worst first

    `stagger_seconds` is added to the end of every stop; different in each process, it lets one
    of them look first and tell the others.
    """

    def __init__(
        self,
        thresholds: Thresholds | None = None,
        *,
        stagger_seconds: float = 0.0,
        app: str = APP,
    ) -> None:
        self.thresholds = thresholds or Thresholds()
        self.app = app
        self._stagger_seconds = stagger_seconds
        # By key: of a whole fleet's meters an account asks for its own and the app's alone.
        self._histories: dict[str, dict[Meter, MeterHistory]] = {}
        self._in_flight: Counter[tuple[str | None, str]] = Counter()
        self._heard_at: dict[str | None, datetime] = {}

    def observe(self, readings: Iterable[UsageReading]) -> list[UsageReading]:
        """Take readings, in any order; returns what is now known of the meters they changed.

        Readings that are no percentage, or of nobody we know, are dropped; those older than what
        is known change nothing, and of several of one meter at one moment the worst counts.
        """
        changed = {}
        named = (reading for reading in readings if reading.key)
        for reading in sorted(worst_of_each(named), key=lambda reading: reading.read_at):
            history = self._history(reading.meter)
            heard_at = self._heard_at.get(reading.key, reading.read_at)
            self._heard_at[reading.key] = max(heard_at, reading.read_at)
            if history.observe(reading) and history.reading is not None:
                changed[reading.meter] = history.reading
        return list(changed.values())

    def sent(self, account_id: str | None, use_case: str, calls: int = 1) -> None:
        """Note a call that is on its way: until it is answered it counts as used.

        `calls` is what Meta counts it as: each id or batched operation is one.
        """
        self._in_flight[account_id, use_case] += calls

    def unsent(self, account_id: str | None, use_case: str, calls: int = 1) -> None:
        """Take back a `sent`: the call was not made after all."""
        left = self._in_flight[account_id, use_case] - calls
        self._in_flight[account_id, use_case] = max(0, left)

    def answered(
        self,
        account_id: str | None,
        use_case: str,
        at: datetime,
        readings: Iterable[UsageReading] = (),
        *,
        ok: bool = True,
        calls: int = 1,
        app: str | None = None,
    ) -> list[UsageReading]:
        """Note the answer of a call; returns what is now known of the meters it told of.

        `app` is the key of the app that made it, where it is another one. `ok` is False for a
        refusal for a limit. A meter the call moved and the answer does not tell of counts it at
        its usual cost.
        """
        self.unsent(account_id, use_case, calls)
        self._heard_at[account_id] = at
        told = list(readings)
        seen = {reading.meter for reading in told}
        for meter, history in self._all():
            if meter.counts(account_id, use_case, app or self.app):
                history.answered(at, calls, seen=meter in seen, ok=ok)
        return self.observe(told)

    def refused(self, meter: Meter, at: datetime) -> int:
        """Count a refusal; returns how many came in a row, this one included.

        Calls refused together, or while the block is known, count as one.
        """
        return self._history(meter).refused(at)

    def block_of(
        self,
        limit: Limit,
        account_id: str | None,
        at: datetime,
        told: Iterable[UsageReading] = (),
        source: str = "",
        *,
        app: str | None = None,
    ) -> list[UsageReading]:
        """The block that a refusal for `limit` stands for; empty for a limit on edits.

        `told` are the readings of the refusal's own headers: the time they give is believed.
        Without one the wait is the documented one, doubled for each further refusal in a row up to
        the hour that real blocks were seen to last: one call looks, ever more rarely.
        """
        meter = limit.meter(account_id, app or self.app)
        if meter is None:
            return []
        listed = list(told)
        # An error of the whole account does not say which of its meters is full.
        waits = [
            each.regain_seconds or 0.0
            for each in listed
            if each.blocks and each.scope == meter.scope and meter.use_case in ("", each.use_case)
        ]
        tiers = [reading.access_tier for reading in listed if reading.access_tier]
        tier = tiers[0] if tiers else self.access_tier(account_id)
        refusals = self.refused(meter, at)
        documented = limit.documented_seconds(tier) * 2 ** min(refusals - 1, _DOUBLED_AT_MOST)
        seconds = min(documented, LONGEST_GUESS_SECONDS)
        if told_seconds := max(waits, default=0.0):
            # Told once it is believed; refused again at the time told, the guess grows beside it.
            seconds = told_seconds if refusals == 1 else max(told_seconds, seconds)
        return [UsageReading(*meter, 100.0, at, at + timedelta(seconds=seconds), tier, source)]

    def access_tier(self, account_id: str | None) -> str | None:
        """The tier Meta last named for the account, else for any account of the app."""
        named = [
            (meter.key == account_id, history.reading.read_at, history.reading.access_tier)
            for meter, history in self._all()
            if not (meter.is_of_app and meter.key != self.app)
            and history.reading is not None
            and history.reading.access_tier is not None
        ]
        return max(named)[2] if named else None

    def current(
        self, account_id: str | None, now: datetime, thresholds: Thresholds | None = None
    ) -> list[EffectiveReading]:
        """What still matters of the account's own meters and the app's, fullest first.

        Without an account only the app's.
        """
        known = []
        keys = [key for key in dict.fromkeys((self.app, account_id)) if key in self._histories]
        for meter, history in chain.from_iterable(self._histories[key].items() for key in keys):
            # Calls that are on their way will count, whatever the newest answer still says.
            moving = [
                calls for who, calls in self._in_flight.items() if meter.counts(*who, self.app)
            ]
            effective = history.effective(now, thresholds or self.thresholds, sum(moving))
            if effective is not None:
                known.append(effective)
        return sorted(known, key=lambda effective: -effective.effective_pct)

    def in_flight(self, account_id: str | None = None) -> int:
        """Calls to the account that are not answered yet; to all of them without an account."""
        return sum(
            calls
            for (account, _), calls in self._in_flight.items()
            if account_id is None or account == account_id
        )

    def heard_at(self, account_id: str | None) -> datetime | None:
        """When Meta last answered somebody about the account; None where nobody asked."""
        return self._heard_at.get(account_id)

    def is_fresh(self, account_id: str | None, now: datetime) -> bool:
        """Whether Meta answered somebody about the account a moment ago."""
        heard_at = self.heard_at(account_id)
        if heard_at is None:
            return False
        # Heard "later" than now is a clock that is wrong, and no reason to trust.
        return abs((now - heard_at).total_seconds()) <= self.thresholds.scout_after_seconds

    def snapshot(self, now: datetime, account_id: str | None = None) -> dict[str, Any]:
        """What is known, fit for JSON: `sync_runs.meta_usage_end_snapshot`.

        `app_pct`, `account_pct`, `insights_pct` are the worst effective percentages of each kind
        (None where nothing is known); `meters` lists every meter with its raw reading. Without
        an account all accounts' meters are in it.
        """
        keys = [account_id] if account_id else list(self._histories)
        known = {
            effective.reading.meter: effective
            for key in keys
            for effective in self.current(key, now)
        }
        ordered = sorted(known.values(), key=lambda effective: -effective.effective_pct)
        return {
            "app_pct": _worst(ordered, MeterScope.APP),
            "account_pct": _worst(ordered, MeterScope.ACCOUNT),
            "insights_pct": _worst(ordered, MeterScope.INSIGHTS_APP, MeterScope.INSIGHTS_ACCOUNT),
            "meters": [_document(effective) for effective in ordered],
        }

    def _all(self) -> Iterator[tuple[Meter, MeterHistory]]:
        return chain.from_iterable(each.items() for each in self._histories.values())

    def _history(self, meter: Meter) -> MeterHistory:
        of_key = self._histories.setdefault(meter.key, {})
        if meter not in of_key:
            of_key[meter] = MeterHistory(self.thresholds, self._stagger_seconds)
        return of_key[meter]


def _worst(known: Iterable[EffectiveReading], *scopes: MeterScope) -> float | None:
    readings_pct = [e.effective_pct for e in known if e.reading.scope in scopes]
    return round(max(readings_pct), 2) if readings_pct else None


def _document(effective: EffectiveReading) -> dict[str, Any]:
    reading = effective.reading
    return {
        "scope": str(reading.scope),
        "key": reading.key,
        "use_case": reading.use_case,
        "usage_pct": reading.usage_pct,
        "effective_pct": round(effective.effective_pct, 2),
        "read_at": reading.read_at.isoformat(),
        "regain_at": reading.regain_at.isoformat() if reading.regain_at else None,
        "resumes_at": effective.resumes_at.isoformat() if effective.resumes_at else None,
        "access_tier": reading.access_tier,
        "source": reading.source,
    }
