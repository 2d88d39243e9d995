"""One day's ad rows beside the account's own row: the verdict, and why they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from meta_pipeline.model.money import half_a_unit
from meta_pipeline.words import digits

# Of the conversions the one that is money: rounded at each level by itself, as spend is.
_REVENUE = "revenue"
# Ads and account are read by different calls of one sync; numbers hardly move meanwhile.
_SAME_READ = timedelta(minutes=5)


class ComparisonOutcome(StrEnum):
    """What a comparison came to; `reconciliations.status`."""

    MATCH = "match"
    ROUNDING = "rounding"
    DIFFERS = "differs"
    UNCHECKED = "unchecked"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was read of an account's day at both levels; amounts in major units."""

    account_id: str
    date_start: date
    ad_rows: int
    has_account_row: bool
    ads_fetched: datetime | None
    """When the day was last asked for at ad level; None if it never was. So `account_fetched`."""
    account_fetched: datetime | None
    ads_as_of: datetime | None
    """When Meta gave the newest of the rows: older than the reading where nothing had changed."""
    account_as_of: datetime | None
    spend_ads: Decimal
    spend_account: Decimal
    impressions_ads: int
    impressions_account: int
    clicks_ads: int
    clicks_account: int
    deleted_ads: int
    """Of the account, whenever they delivered: how likely it is that ads are what is lacking."""
    conversions: dict[str, list[float]]
    """By metric: the sum of the ad rows, and the account row's."""
    same_sync: bool
    both_final: bool
    """Whether the ledger calls both readings final: nothing moved between them."""
    currency: str | None
    """What the day's amounts are stored in."""
    has_two_currencies: bool
    """Whether some of them are in another: no sum of them is an amount."""
    both_settled: bool
    """Whether both were read after Meta's 28 days: then nothing is late any more."""

    @property
    def read_at(self) -> tuple[datetime | None, datetime | None]:
        """When the ad rows and the account's own row were read."""
        return self.ads_fetched or self.ads_as_of, self.account_fetched or self.account_as_of

    @property
    def read_apart(self) -> tuple[datetime, datetime] | None:
        """When ads and account were read, if not together while Meta still restated the day."""
        ads, account = self.read_at
        if ads is None or account is None or self.same_sync or self.both_final:
            return None
        return None if abs(ads - account) <= _SAME_READ else (ads, account)

    @property
    def spend_difference(self) -> Decimal:
        return self.spend_ads - self.spend_account

    @property
    def spend_difference_pct(self) -> Decimal:
        """In percent of the account row; 100 where it has no spend at all."""
        if not self.spend_difference:
            return Decimal(0)
        # No share of nothing; the sign still says which side has more.
        if not self.spend_account:
            return Decimal(100).copy_sign(self.spend_difference)
        return round(100 * self.spend_difference / self.spend_account, 4)

    @property
    def counts_agree(self) -> bool:
        return (self.impressions_ads, self.clicks_ads) == (
            self.impressions_account,
            self.clicks_account,
        )

    @property
    def most_by_rounding(self) -> Decimal:
        """What rounding so many amounts can make at most: to cents, or to whole yen."""
        # One for the account's own row, which is rounded too.
        return half_a_unit(self.currency) * (self.ad_rows + 1)

    @property
    def is_rounding(self) -> bool:
        """Only amounts differ, and no more of them than rounding so many amounts can make."""
        return self.counts_agree and 0 < abs(self.spend_difference) <= self.most_by_rounding

    def agrees(self, tolerance_pct: Decimal) -> bool:
        """Whether spend, impressions and clicks do, within the tolerance of the account row."""
        # Multiplied, not divided: an account row of zero allows for a difference of zero.
        pairs = (
            (self.spend_ads, self.spend_account),
            (Decimal(self.impressions_ads), Decimal(self.impressions_account)),
            (Decimal(self.clicks_ads), Decimal(self.clicks_account)),
        )
        return all(
            abs(ads - account) * 100 <= tolerance_pct * abs(account) for ads, account in pairs
        )

    def conversions_apart(self, tolerance_pct: Decimal) -> dict[str, list[float]]:
        """Conversions that differ by more than the tolerance, money by more than rounding too."""
        apart = {}
        for name, (ads, account) in self.conversions.items():
            difference = abs(Decimal(str(ads)) - Decimal(str(account)))
            rounding = self.most_by_rounding if name == _REVENUE else Decimal(0)
            if difference > max(rounding, tolerance_pct * abs(Decimal(str(account))) / 100):
                apart[name] = [ads, account]
        return apart


def verdict(day: Comparison, tolerance_pct: Decimal) -> tuple[ComparisonOutcome, str]:
    """What the day comes to, and why, in sentences."""
    if not day.has_account_row:
        return _without_account_row(day)
    if not day.ad_rows and day.ads_fetched is None:
        return ComparisonOutcome.UNCHECKED, "The ad rows of this day were not fetched."
    if day.has_two_currencies:
        return ComparisonOutcome.UNCHECKED, _TWO_CURRENCIES
    # Before the readings' age: numbers that agree prove themselves, whenever they were read.
    agrees = day.agrees(tolerance_pct)
    if agrees or day.is_rounding:
        return _agreement(day, day.conversions_apart(tolerance_pct), is_exact=agrees)
    if day.read_apart:
        return ComparisonOutcome.UNCHECKED, _apart(*day.read_apart)
    return ComparisonOutcome.DIFFERS, " ".join(_reasons(day)) or _ONLY_CLICKS


def _without_account_row(day: Comparison) -> tuple[ComparisonOutcome, str]:
    if day.account_fetched is None:
        return ComparisonOutcome.UNCHECKED, "The account row of this day was not fetched."
    # The account may have had no row yet when it was asked.
    if day.ad_rows and day.read_apart:
        return ComparisonOutcome.UNCHECKED, _apart(*day.read_apart)
    if day.ad_rows:
        return ComparisonOutcome.DIFFERS, (
            f"{day.ad_rows} ad rows, but Meta gave no row for the account: read the day again."
        )
    return ComparisonOutcome.EMPTY, "No delivery at either level."


def beside_each_other(conversions: Mapping[str, Sequence[float]]) -> str:
    """Conversions of the ad rows and of the account's own row, as the end of a sentence."""
    return "; ".join(
        f"{name} {digits(ads, ',')} in the ad rows, {digits(account, ',')} in the account row"
        for name, (ads, account) in conversions.items()
    )


def _agreement(
    day: Comparison, apart: Mapping[str, Sequence[float]], *, is_exact: bool
) -> tuple[ComparisonOutcome, str]:
    if not is_exact and not (apart and day.both_settled):
        return ComparisonOutcome.ROUNDING, (
            f"Impressions and clicks agree; {day.ad_rows} rounded amounts explain "
            f"{day.spend_difference:+f}."
        )
    if not apart:
        return ComparisonOutcome.MATCH, "Spend, impressions, clicks and conversions agree."
    # Until then conversions come in at both levels, at their own pace: a difference says nothing.
    if not day.both_settled:
        return ComparisonOutcome.MATCH, (
            f"Spend, impressions and clicks agree. Not {', '.join(apart)}: Meta attributes "
            "conversions at each level by itself and reports them late, so they may differ for "
            "some days."
        )
    return ComparisonOutcome.DIFFERS, (
        f"Spend, impressions and clicks agree, conversions do not: {beside_each_other(apart)}. "
        "The day was read after Meta's 28 days, so nothing is late: Meta leaves conversions out at "
        "one level, or an ad's are missing. Sync the day again with --force; what stays is Meta's "
        "own."
    )


def _apart(ads: datetime, account: datetime) -> str:
    older = "account row" if account < ads else "ad rows"
    return (
        f"Read at different times ({ads:%Y-%m-%d %H:%M} and {account:%Y-%m-%d %H:%M} UTC), the "
        f"{older} first, and the day moved between: nothing is proven. Both are read together once "
        "a day, or now with `--force`."
    )


def _reasons(day: Comparison) -> Iterator[str]:
    """Why one level holds more than the other; both, where it is spend here and views there."""
    if day.spend_difference < 0 or day.impressions_ads < day.impressions_account:
        known = f" ({day.deleted_ads} deleted ads are known here)" if day.deleted_ads else ""
        yield (
            "The ad rows hold less than the account: the account's total includes deleted and "
            f"archived ads{known}, ad rows only with the status filter; or an ad row is missing. "
            "Sync the day again with --force: what is still lacking then is of ads that are gone."
        )
    if day.spend_difference > 0 or day.impressions_ads > day.impressions_account:
        yield (
            "The ad rows hold more than the account: Meta took an ad's numbers back. "
            "Sync the day again with --force."
        )


_TWO_CURRENCIES = (
    "Amounts of this day are stored in two currencies, since the account changed its own: nothing "
    "can be compared. Sync the day again with --force."
)
_ONLY_CLICKS = "Only clicks differ: Meta took some of them back at one level. Sync with --force."
