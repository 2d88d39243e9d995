"""What Meta recommends for an account, and the score of how far it is followed (FACTS section 16).

Which recommendations there are when is drawn from the seed: each comes and goes with the days.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from meta_pipeline.simulator.world.account_fields import opportunity_score
from meta_pipeline.simulator.world.accounts import account_number
from meta_pipeline.simulator.world.draws import draw
from meta_pipeline.simulator.world.entities import Entity
from meta_pipeline.simulator.world.objects import Objects

MID_FLIGHT, BEFORE_CREATION = "mid_flight_recommendation", "pre_create_guidance"
# Type, stage, level, what it says, what it promises. A few of the 450 that Meta has.
_KINDS = (
    ("MUSIC", MID_FLIGHT, "ad", "Add music to your ads, picked to go with them.",
     "Up to 3% more Traffic"),
    ("FRAGMENTATION", MID_FLIGHT, "ad_set",
     "Some of your ad sets are alike. Combining them may end their learning phase sooner.",
     "Up to 11% lower cost per result"),
    ("CREATIVE_FATIGUE", MID_FLIGHT, "ad",
     "People have seen this image or video too often. Try a new one.",
     "Up to 7% lower cost per result"),
    ("REELS_PC_RECOMMENDATION", MID_FLIGHT, "ad_set",
     "Use a full-screen 9:16 video with sound for placements on Reels.",
     "Up to 8% lower cost per result"),
    ("AUTOMATIC_PLACEMENTS", MID_FLIGHT, "ad_set",
     "Let Meta show your ads on more placements with the same budget.", None),
    ("SIGNALS_GROWTH_CAPI_V2", BEFORE_CREATION, "ad_account",
     "Send website events through the Conversions API beside the pixel.", None),
)  # fmt: skip
# Each comes back after so long: the history of the score, 45 days, sees it come and go once.
_CYCLE_DAYS = 45
_MOST_OBJECTS = 3
_ADS_MANAGER = "https://adsmanager.facebook.com/adsmanager/manage"


def recommendations(world: Objects, account_id: str) -> list[dict[str, Any]]:
    """What is recommended at the moment, with every field of both edges.

    `recommendation_signature` is another each day: signatures perish.
    """
    ordinal = world.ordinal(account_id)
    if ordinal is None:
        return []
    today = world.clock.now().astimezone(UTC).date()
    found = []
    for number, (name, stage, level, body, lift) in enumerate(_KINDS):
        draws = draw(world.key, b"rcmd", ordinal, number)
        age = (today.toordinal() + draws[0]) % _CYCLE_DAYS
        if age >= 10 + draws[1] % 30:
            continue
        objects = _objects(world, account_id, level, draws)
        if level != "ad_account" and not objects:
            continue
        made = datetime(*(today - timedelta(days=age)).timetuple()[:3], 9, 12, 34, tzinfo=UTC)
        content = {"body": body, "opportunity_score_lift": str(1 + draws[2] % 20)}
        if lift is not None:
            content["lift_estimate"] = lift
        found.append(
            {
                "type": name,
                "level": level,
                "recommendation_signature": str(draws[3] * 100_000 + today.toordinal() % 100_000),
                "recommendation_stage": stage,
                "recommendation_time": made.strftime("%Y-%m-%dT%H:%M:%S+0000"),
                "object_ids": [one.id for one in objects],
                "recommendation_content": content,
                "url": f"{_ADS_MANAGER}?act={account_number(ordinal)}",
            }
        )
    return found


def score_on(world: Objects, account_id: str, day: date) -> int:
    """The account's opportunity score of a day; KeyError for an account there is not."""
    ordinal = world.ordinal(account_id)
    if ordinal is None:
        raise KeyError(f"no account {account_id} in this world")
    return opportunity_score(world.key, ordinal, day)


def changelog(world: Objects, account_id: str, day: date) -> list[dict[str, Any]]:
    """What moved the score since the day before; nothing on most days."""
    before = score_on(world, account_id, day - timedelta(days=1))
    now = score_on(world, account_id, day)
    campaigns = _objects(world, account_id, "campaign", (0,) * 32)
    if before == now or not campaigns:
        return []
    # It rises where something was followed, and falls where something new is recommended.
    open_then, open_now = (["music"], []) if now > before else ([], ["music"])
    details = {
        "ad_object_id": campaigns[0].id,
        "ad_object_type": "campaign",
        "eligible_recommendation_types_then": open_then,
        "eligible_recommendation_types_now": open_now,
        "applied_recommendation_types_then": open_now,
        "applied_recommendation_types_now": open_then,
    }
    return [
        {
            "campaign_id": campaigns[0].id,
            "score_change": f"{now - before:+d}",
            "campaign_details": [details],
        }
    ]


def _objects(world: Objects, account_id: str, level: str, draws: Sequence[int]) -> Sequence[Entity]:
    """Some active objects of the level, always the same ones while they are active."""
    edge = {"ad": "ads", "ad_set": "adsets", "campaign": "campaigns"}.get(level)
    if edge is None:
        return []
    active = world.objects(edge, account_id, statuses=("ACTIVE",))
    first = draws[4] % len(active) if len(active) else 0
    return list(active[first : first + 1 + draws[5] % _MOST_OBJECTS])
