"""A refusal as a reading: which meter closed, and until when where Meta does not say."""

from __future__ import annotations

from datetime import datetime, timedelta

from .reading import ADS_INSIGHTS, ADS_MANAGEMENT, APP, Meter, Reading, Scope

FULL_TIER = "standard_access"
LONGEST_GUESS_SECONDS = 3600.0

_SCORE_SECONDS = {True: 60.0, False: 300.0}
_MINUTES_SECONDS = 300.0
_BURST_SECONDS = 5.0
_USE_CASES = {
    80000: ADS_INSIGHTS,
    80001: "pages",
    80002: "instagram",
    80003: "custom_audience",
    80004: ADS_MANAGEMENT,
    80005: "leadgen",
    80006: "messenger",
    80008: "whatsapp_business_management",
    80009: "catalog_management",
    80014: "catalog_batch",
}
_INSIGHTS_OF_THE_APP = {1504022, 1504039}
_EDIT_LIMITS = {(17, 1885172), (613, 1487632), (613, 1487225)}
_BURST_LIMITS = {(613, 5044001)}
_WHOLE_APP = {(4, None), (17, None), (32, None), (341, None)}


def meter_of_throttle(
    code: int | None, subcode: int | None, account_id: str | None
) -> Meter | None:
    """The meter that refused; None where the limit is not on reading (budget edits, new ads).

    A refusal we do not know closes the account it came for. Code 17 without a subcode is the
    user's own limit: it holds for every account the token reads, and so does code 4 (FACTS §2).
    """
    if (code, subcode) in _EDIT_LIMITS:
        return None
    if code == 4 and subcode in _INSIGHTS_OF_THE_APP:
        return Meter(Scope.INSIGHTS_APP, APP, "")
    if account_id is None or code in (4, 341) or (code, subcode) in _WHOLE_APP:
        return Meter(Scope.APP, APP, "")
    return Meter(Scope.ACCOUNT, account_id, _USE_CASES.get(code or 0, ""))


def reading_from_throttle(
    *,
    code: int | None,
    subcode: int | None,
    account_id: str | None,
    at: datetime,
    regain_seconds: float | None = None,
    access_tier: str | None = None,
    refusals: int = 1,
) -> Reading | None:
    """The block a refusal stands for: 100 % and the time access returns.

    `regain_seconds` is what the refusal's headers told, if they did. Without it the wait is the
    documented one (17/2446079 and 613/1487742: 300 s, or 60 s with Full access; others five
    minutes), doubled for each further refusal in a row (`refusals`) up to the hour that real
    blocks were seen to last: one call looks, ever more rarely. Source: FACTS §2, §3.3.
    """
    meter = meter_of_throttle(code, subcode, account_id)
    if meter is None:
        return None
    guess = _documented_seconds(code, subcode, access_tier) * 2 ** min(refusals - 1, 10)
    seconds = min(guess, LONGEST_GUESS_SECONDS)
    if regain_seconds:
        # Told once it is believed; refused again at the time told, the guess grows beside it.
        seconds = regain_seconds if refusals == 1 else max(regain_seconds, seconds)
    return Reading(
        meter.scope,
        meter.key,
        meter.use_case,
        100.0,
        at,
        at + timedelta(seconds=seconds),
        access_tier,
        f"error {code}" if subcode is None else f"error {code}/{subcode}",
    )


def _documented_seconds(code: int | None, subcode: int | None, access_tier: str | None) -> float:
    if (code, subcode) in _BURST_LIMITS:
        return _BURST_SECONDS
    if subcode == 1487742 or (code == 17 and subcode is not None):
        return _SCORE_SECONDS[access_tier == FULL_TIER]
    return _MINUTES_SECONDS
