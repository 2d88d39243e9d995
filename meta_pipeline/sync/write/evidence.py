"""Whether a day's rows are believed: what Meta returned, what is stored, the account's own row.

An answer proves nothing by itself: Meta may leave rows out of it without a word. The account's own
row of the day does, where both were read together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from meta_pipeline.warehouse import Totals
from meta_pipeline.words import times

# Of a day that has only just begun: between two calls its first rows may have come.
_WHOLE_DAY_PCT = 100
PATIENCE = 3
"""So many readings in a row without proof; the next one is taken for what lasts."""


class DayOutcome(StrEnum):
    """What the evidence of a day comes to."""

    PROVEN = "proven"
    CONTRADICTED = "contradicted"
    DOUBTFUL = "doubtful"
    """The account's own row has to be read before anything can be said."""
    OPEN = "open"
    """Nothing speaks against the day, nothing proves it: the usual state of a young one."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one day of one kind of rows when its reading is complete."""

    stored: Totals
    """All rows of the table."""
    gone: Totals
    """Those of them that were not returned now."""
    account: Totals | None
    """The account's own row; None when it was never read."""
    additive: Sequence[str] = ("spend", "impressions", "clicks")
    """The metrics that can be compared; none where cells do not add up."""
    half_a_unit: Decimal = Decimal("0.005")
    """How far the amount of a row may be off: each is rounded by itself."""
    account_first: bool = True
    """The account's row was read before the others."""
    together: bool = False
    """What they differ by was not read at another time."""
    moves_pct: int = 0
    """How much of a day that goes on may have come between them; 0 when no moment passed."""
    comparable: bool = False
    """The day was over when each was read."""
    settled: bool = False
    """It is read for the last time."""
    unproven_reads: int = 0
    """Readings before this one that brought no proof."""
    waits: bool = False
    """The next proof is not due yet."""
    is_silent: bool = False
    """The whole answer had no row, of no day."""
    kept_rows: int = 0
    """Rows that were gone, and counted by the account's row, when the day was last proven."""
    may_be_empty: bool = False
    """No row is no surprise."""
    delivered: int | None = 0
    """Impressions of the account's own rows, of which at least one row here would tell; None when
    they were never read."""

    @property
    def returned(self) -> Totals:
        return self.stored - self.gone

    @property
    def lasts(self) -> bool:
        """Whether what is missing has been so for some readings, while others came."""
        is_known = 0 < self.gone.rows == self.kept_rows
        return self.returned.rows > 0 and (self.unproven_reads >= PATIENCE or is_known)

    def rounding(self, rows: Totals) -> Decimal:
        """What the sum of so many amounts and the account's own may differ by."""
        # One more than there are rows: the account's own is rounded as well.
        return self.half_a_unit * (rows.rows + 1) if rows.rows else Decimal(0)

    def agree(self, rows: Totals, account: Totals) -> bool:
        """Whether rows add up to the account's own; amounts are rounded once in each row."""
        counts = [name for name in self.additive if name != "spend"]
        return abs(rows.spend - account.spend) <= self.rounding(rows) and all(
            getattr(rows, name) == getattr(account, name) for name in counts
        )

    def is_near(self, account: Totals) -> bool:
        """Whether a refresh of Meta's between two calls, and rounding, explain what came."""
        off = {"spend": self.rounding(self.returned), "impressions": 0}
        pairs = [
            (getattr(self.returned, name), getattr(account, name), off[name])
            for name in self.additive
            if name in off
        ]
        return all(
            (abs(one - other) - rounded) * 100 <= self.moves_pct * max(one, other)
            for one, other, rounded in pairs
        )

    def is_nearer(self, account: Totals) -> bool:
        """Whether what was returned is nearer to the account's row than all that is stored."""
        pairs = [
            (
                abs(getattr(self.returned, name) - getattr(account, name)),
                abs(getattr(self.stored, name) - getattr(account, name)),
            )
            for name in self.additive
        ]
        return all(now <= then for now, then in pairs) and any(now < then for now, then in pairs)


@dataclass(frozen=True, slots=True)
class DayVerdict:
    """The outcome, in words where it is not a good one, and whether the rows that are gone go."""

    outcome: DayOutcome
    removes: bool = False
    reason: str | None = None

    @property
    def is_told(self) -> bool:
        """Whether the rows that go are all there were, taken back by silence alone."""
        return self.outcome is DayOutcome.PROVEN and self.reason is not None


def judge(day: Evidence) -> DayVerdict:
    """What a day comes to. Rows are removed where the account's own row is the sum without them.

    A difference that lasts (`PATIENCE`) is taken for Meta's: rows of objects that are gone, which
    the account's row still counts, stay; rows beyond the account's row go, if it came. Silence that
    lasts is believed where the account's row is silent, too, and what goes with it is said.
    """
    verdict = _judged(day)
    if day.is_silent and verdict.removes and verdict.outcome is DayOutcome.PROVEN:
        readings = day.unproven_reads + 1
        removed = f"{times(day.gone.rows, 'stored row')} removed, all of the day"
        reason = f"{removed}: not one came in {readings} readings"
        return replace(verdict, reason=reason)
    return verdict


def _judged(day: Evidence) -> DayVerdict:
    gone = day.gone.rows > 0
    if day.is_silent and gone and day.unproven_reads < PATIENCE:
        stored = times(day.gone.rows, "stored row")
        reason = f"Meta answered without a single row; the day has {stored}"
        return DayVerdict(DayOutcome.CONTRADICTED, reason=reason)
    may_be_empty = day.may_be_empty and not day.stored.rows
    if not (day.additive or day.returned.rows or day.delivered == 0 or may_be_empty):
        return _without_rows(day)
    if not day.additive or may_be_empty:
        return DayVerdict(DayOutcome.PROVEN, removes=gone)
    if day.account is None:
        return _without_proof(day)
    return _by_account(day, day.account)


def _without_rows(day: Evidence) -> DayVerdict:
    """What cannot be added up, and yet has no row only where nothing was delivered."""
    if day.delivered is None:
        return _without_proof(day)
    reason = f"0 rows, and the account's own have {day.delivered:,} impressions"
    return DayVerdict(DayOutcome.CONTRADICTED, reason=reason)


def _by_account(day: Evidence, account: Totals) -> DayVerdict:
    gone = day.gone.rows > 0
    fits = day.agree(day.returned, account)
    # Read apart, equal sums still prove a day that was over, but not that rows of it are gone.
    if fits and (day.together or (day.comparable and not gone)):
        return DayVerdict(DayOutcome.PROVEN, removes=gone)
    if not day.together:
        return _without_proof(day)
    has_begun = day.returned.rows or day.moves_pct == _WHOLE_DAY_PCT
    if day.moves_pct and has_begun and day.is_near(account):
        return DayVerdict(DayOutcome.OPEN)
    if day.lasts and gone and day.agree(day.stored, account):
        return DayVerdict(DayOutcome.PROVEN)
    # What Meta no longer has never comes again: one reading is not enough for rows that were kept
    # until now, and an account's row that did not come is for none.
    is_beyond = gone and account.rows > 0 and day.is_nearer(account)
    removes = is_beyond and day.lasts and day.unproven_reads >= PATIENCE
    return DayVerdict(DayOutcome.CONTRADICTED, removes, difference(day, account))


def _without_proof(day: Evidence) -> DayVerdict:
    # Numbers of a day grow: rows that were read later have no less than the account's row said.
    is_short = (
        day.account is not None
        and day.account_first
        and (
            day.returned.impressions < day.account.impressions
            or day.returned.spend + day.rounding(day.returned) < day.account.spend
        )
    )
    doubtful = (day.gone.rows and not day.lasts) or day.settled or day.unproven_reads or is_short
    if not doubtful or day.waits:
        return DayVerdict(DayOutcome.OPEN)
    reason = "not compared with the account's own row yet"
    if day.gone.rows:
        reason = f"{times(day.gone.rows, 'stored row')} did not come again; {reason}"
    return DayVerdict(DayOutcome.DOUBTFUL, reason=reason)


def difference(day: Evidence, account: Totals) -> str:
    """What the rows hold of what the account's own row says."""
    rows = day.returned
    parts = [f"{rows.spend:,.2f} of {account.spend:,.2f} spent"]
    parts += [
        f"{getattr(rows, name):,} of {getattr(account, name):,} {name}"
        for name in day.additive
        if name != "spend"
    ]
    gone = f"; {times(day.gone.rows, 'stored row')} did not come again" if day.gone.rows else ""
    return f"{times(rows.rows, 'row')} with {', '.join(parts)}{gone}"
