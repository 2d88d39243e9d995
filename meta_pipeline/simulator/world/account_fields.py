"""The readable fields of an ad account (FACTS §12)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from meta_pipeline.simulator.world.accounts import AccountSpec, account_number
from meta_pipeline.simulator.world.draws import draw
from meta_pipeline.simulator.world.entities import graph_time
from meta_pipeline.simulator.world.money import from_cents, offset
from meta_pipeline.simulator.world.tree import DAY_SECONDS

# Meta's own numbers of time zones (FACTS §12); a zone that is not here shows as 1.
_TIMEZONE_IDS = {
    "America/Los_Angeles": 1,
    "America/New_York": 7,
    "Australia/Sydney": 18,
    "Australia/Adelaide": 17,
    "Australia/Brisbane": 16,
    "Asia/Tokyo": 77,
    "Europe/Budapest": 69,
}
# A few of the 140 that a real account lists.
_CAPABILITIES = [
    "CAN_CREATE_CALL_ADS",
    "CAN_USE_REACH_AND_FREQUENCY",
    "HAS_VALID_PAYMENT_METHODS",
    "IS_IN_ODAX_EXPERIENCE",
    "CAN_USE_BUDGET_SCHEDULING_API",
]


def opportunity_score(key: bytes, ordinal: int, day: date) -> int:
    """An account's opportunity score of a day, 40 to 100; it moves once a week."""
    base = draw(key, b"acct", ordinal, 0)[3] % 50
    moved = draw(key, b"oscr", ordinal, day.toordinal() // 7)[0] % 12
    return min(40 + base + moved, 100)


def account_values(
    key: bytes, ordinal: int, spec: AccountSpec, anchor: int, now: datetime
) -> dict[str, Any]:
    """One row of `/me/adaccounts` with every field; `age` and the zone's offset follow `now`."""
    draws = draw(key, b"acct", ordinal, 0)
    zone, number = ZoneInfo(spec.zone), account_number(ordinal)
    created = anchor - (spec.age_days + 30) * DAY_SECONDS - draws[0]
    utc_offset = now.astimezone(zone).utcoffset()
    values: dict[str, Any] = {
        "id": f"act_{number}",
        "account_id": number,
        "name": spec.name,
        "account_status": spec.account_status,
        "disable_reason": spec.disable_reason,
        "currency": spec.currency,
        "timezone_id": _TIMEZONE_IDS.get(spec.zone, 1),
        "timezone_name": spec.zone,
        # Of today: it moves when the zone's clocks do.
        "timezone_offset_hours_utc": utc_offset.total_seconds() / 3600 if utc_offset else 0.0,
        # Drawn once: nobody reconciles it with insights (FIDELITY.md).
        "amount_spent": str(from_cents(draws[1] * 40, spec.currency)),
        "balance": str(from_cents(draws[2] % 9_000, spec.currency)),
        "spend_cap": "0",
        # A number, while the minimum below is a text.
        "min_daily_budget": from_cents(100, spec.currency),
        "min_campaign_group_spend_cap": str(100 * offset(spec.currency)),
        "business": {"id": "990150647367951", "name": "Simulated Agency"},
        "business_country_code": "AU" if spec.zone.startswith("Australia") else "US",
        "business_name": "",
        "owner": "990150647367951",
        "end_advertiser": "990150647367951",
        "end_advertiser_name": "Simulated Agency",
        "funding_source": f"9928252624542{ordinal + 1:04d}",
        "funding_source_details": {"id": f"9928252624542{ordinal + 1:04d}", "type": 1},
        "created_time": graph_time(created, zone),
        "age": round((now.timestamp() - created) / DAY_SECONDS, 11),
        "capabilities": _CAPABILITIES,
        "user_tasks": ["DRAFT", "ANALYZE", "ADVERTISE", "MANAGE"],
        "is_prepay_account": False,
        "is_personal": 0,
        "is_notifications_enabled": True,
        "is_attribution_spec_system_default": True,
        "is_direct_deals_enabled": False,
        "has_migrated_permissions": True,
        "offsite_pixels_tos_accepted": True,
        "opportunity_score": float(opportunity_score(key, ordinal, now.astimezone(zone).date())),
        "fb_entity": 85,
        "tax_id_status": 0,
    }
    if draws[4] < 20_000:
        values |= {"default_dsa_payor": spec.name, "default_dsa_beneficiary": spec.name}
    # Last: a test may make an account say anything of itself.
    return values | dict(spec.overrides)
