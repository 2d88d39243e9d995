"""The fields of campaigns, ad sets and ads, drawn from the seed (FACTS §12)."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from meta_pipeline.simulator.world import creatives, library, names
from meta_pipeline.simulator.world.accounts import account_number
from meta_pipeline.simulator.world.draws import draw
from meta_pipeline.simulator.world.entities import entity_id, graph_time
from meta_pipeline.simulator.world.money import from_cents
from meta_pipeline.simulator.world.statuses import DISAPPROVED, STATUSES, WITH_ISSUES
from meta_pipeline.simulator.world.tree import AD, ADSET, CAMPAIGN, CREATIVE, Tree

OBJECTIVES = (
    "OUTCOME_SALES",
    "OUTCOME_LEADS",
    "OUTCOME_TRAFFIC",
    "OUTCOME_SALES",
    "OUTCOME_ENGAGEMENT",
    "OUTCOME_AWARENESS",
    "OUTCOME_LEADS",
    "CONVERSIONS",  # a legacy value that is still readable
)
# What Meta lets an ad set optimize for, by its campaign's objective.
_GOALS = {
    "OUTCOME_SALES": ("OFFSITE_CONVERSIONS", "VALUE"),
    "CONVERSIONS": ("OFFSITE_CONVERSIONS", "LANDING_PAGE_VIEWS"),
    "OUTCOME_LEADS": ("LEAD_GENERATION", "OFFSITE_CONVERSIONS"),
    "OUTCOME_TRAFFIC": ("LINK_CLICKS", "LANDING_PAGE_VIEWS"),
    "OUTCOME_ENGAGEMENT": ("THRUPLAY", "CONVERSATIONS"),
    "OUTCOME_AWARENESS": ("REACH", "IMPRESSIONS"),
}
# What counts as a conversion; the other objectives promote no pixel.
_EVENTS = {
    "OUTCOME_SALES": "PURCHASE",
    "CONVERSIONS": "PURCHASE",
    "OUTCOME_LEADS": "COMPLETE_REGISTRATION",
}
# Five of seven leave the bid to Meta.
_BID_STRATEGIES = ("LOWEST_COST_WITHOUT_CAP",) * 5 + ("COST_CAP", "LOWEST_COST_WITH_BID_CAP")
_COUNTRIES = (["AU"], ["AU", "NZ"], ["NZ"], ["AU"])
_HOUSED = "HOUSING"
NO_START = -1  # Meta writes a campaign without a start as the second before the epoch


def objective(key: bytes, ordinal: int, campaign: int) -> str:
    """The campaign's objective; the numbers follow it."""
    return OBJECTIVES[draw(key, b"objt", ordinal, campaign)[0] % len(OBJECTIVES)]


def values(tree: Tree, level: int, index: int, zone: ZoneInfo) -> dict[str, Any]:
    """Every readable field of one campaign, ad set, ad or creative."""
    if level == CREATIVE:
        return creatives.values(tree, index)
    draws = draw(tree.key, (b"cfld", b"sfld", b"afld")[level], tree.ordinal, index)
    return (_campaign, _adset, _ad)[level](tree, index, zone, draws)


def _common(tree: Tree, level: int, index: int, zone: ZoneInfo, name: str) -> dict[str, Any]:
    own = tree.levels[level]
    status = STATUSES[own.status[index]]
    return {
        "id": entity_id(level, tree.ordinal, index),
        "account_id": account_number(tree.ordinal),
        "name": name,
        "status": status,
        "configured_status": status,
        "effective_status": tree.effective(level, index),
        "created_time": graph_time(own.created[index], zone),
        "updated_time": graph_time(own.updated[index], zone),
    }


def _campaign(tree: Tree, index: int, zone: ZoneInfo, draws: tuple[int, ...]) -> dict[str, Any]:
    fields = _common(tree, CAMPAIGN, index, zone, names.campaign_name(draws, index + 1))
    created = tree.levels[CAMPAIGN].created[index]
    fields |= {
        "objective": objective(tree.key, tree.ordinal, index),
        "buying_type": "RESERVED" if draws[0] < 1_500 else "AUCTION",
        # The list, and its older form in the singular that is still answered.
        "special_ad_categories": [_HOUSED] if draws[1] < 4_000 else [],
        "special_ad_category": _HOUSED if draws[1] < 4_000 else "NONE",
        "special_ad_category_country": ["AU"] if draws[1] < 4_000 else [],
        "start_time": graph_time(NO_START if draws[2] < 8_000 else created, zone),
        "source_campaign_id": "0",  # no copy of another: text 0, not null
        "can_use_spend_cap": True,
        "can_create_brand_lift_study": False,
        "budget_rebalance_flag": False,
        "is_adset_budget_sharing_enabled": False,
        "is_skadnetwork_attribution": False,
        "pacing_type": ["standard"],
        "has_secondary_skadnetwork_reporting": False,
    }
    if budgeted_by_campaign(tree, index):
        fields |= _budget(tree, draws) | {
            "bid_strategy": _BID_STRATEGIES[draws[4] % len(_BID_STRATEGIES)],
        }
    # Few campaigns have a cap or an end; without one the key is not there (FACTS §0).
    if draws[5] < 5_000:
        fields["spend_cap"] = str(_amount(tree, 50_000 + draws[6] * 40))
    if draws[7] < 9_000:
        fields["stop_time"] = graph_time(created + 86_400 * (30 + draws[7] % 700), zone)
    return fields | _issues(tree, CAMPAIGN, index)


def _adset(tree: Tree, index: int, zone: ZoneInfo, draws: tuple[int, ...]) -> dict[str, Any]:
    fields = _common(tree, ADSET, index, zone, names.adset_name(draws, index + 1))
    campaign = tree.levels[ADSET].parent[index]
    campaign_id = entity_id(CAMPAIGN, tree.ordinal, campaign)
    aim = objective(tree.key, tree.ordinal, campaign)
    created = tree.levels[ADSET].created[index]
    goal = _GOALS[aim][draws[0] % 2]
    fields |= {
        "campaign_id": campaign_id,
        # As `fields=campaign` shows it; `campaign{name}` reads the campaign itself.
        "campaign": {"id": campaign_id},
        "optimization_goal": goal,
        "billing_event": "THRUPLAY" if goal == "THRUPLAY" else "IMPRESSIONS",
        "start_time": graph_time(created, zone),
        "targeting": _targeting(tree.ordinal, draws),
        "destination_type": "ON_AD" if goal == "LEAD_GENERATION" else "WEBSITE",
        "attribution_spec": [
            {"event_type": "CLICK_THROUGH", "window_days": 7},
            {"event_type": "VIEW_THROUGH", "window_days": 1},
        ],
        "is_dynamic_creative": draws[1] < 6_000,
        "pacing_type": ["standard"],
        "recurring_budget_semantics": True,
        "source_adset_id": "0",
        "use_new_app_click": False,
    }
    if aim in _EVENTS:
        pixel = f"9{tree.ordinal + 1:04d}55{index % 3:08d}"
        fields["promoted_object"] = {"pixel_id": pixel, "custom_event_type": _EVENTS[aim]}
    if not budgeted_by_campaign(tree, campaign):
        # One kind of budget is set, the other comes as "0" (FACTS §0).
        fields |= {"daily_budget": "0", "lifetime_budget": "0"} | _budget(tree, draws)
        fields["bid_strategy"] = _BID_STRATEGIES[draws[4] % len(_BID_STRATEGIES)]
        if fields["bid_strategy"] != "LOWEST_COST_WITHOUT_CAP":
            fields["bid_amount"] = _amount(tree, 200 + draws[5] % 4_000)
            # In minor units by what is bid for; here always ACTIONS.
            fields["bid_info"] = {"ACTIONS": fields["bid_amount"]}
    if ("lifetime_budget" in fields and fields["lifetime_budget"] != "0") or draws[6] < 6_000:
        fields["end_time"] = graph_time(created + 86_400 * (30 + draws[7] % 700), zone)
    fields |= _learning(tree, index, goal, draws)
    return fields | _issues(tree, ADSET, index)


def _ad(tree: Tree, index: int, zone: ZoneInfo, draws: tuple[int, ...]) -> dict[str, Any]:
    fields = _common(tree, AD, index, zone, names.ad_name(draws, index + 1))
    adset = tree.levels[AD].parent[index]
    campaign = tree.levels[ADSET].parent[adset]
    adset_id, campaign_id = (
        entity_id(ADSET, tree.ordinal, adset),
        entity_id(CAMPAIGN, tree.ordinal, campaign),
    )
    pixel = f"9{tree.ordinal + 1:04d}55{adset % 3:08d}"
    fields |= {
        "adset_id": adset_id,
        "campaign_id": campaign_id,
        "adset": {"id": adset_id},
        "campaign": {"id": campaign_id},
        "creative": {"id": creatives.creative_id(tree.ordinal, index)},
        "bid_type": "ABSOLUTE_OCPM",
        # Keys with dots in them are Meta's own.
        "tracking_specs": [
            {"action.type": ["offsite_conversion"], "fb_pixel": [pixel]},
            {
                "action.type": ["post_engagement"],
                "page": [creatives.page_id(tree.ordinal)],
                "post": [str(660_000_000_000_000 + index)],
            },
        ],
        "conversion_specs": [
            {"action.type": ["offsite_conversion"], "conversion_id": [str(6_000_000_000 + adset)]}
        ],
        "source_ad_id": "0",
        "last_updated_by_app_id": "990000000000042",
        "preview_shareable_link": f"https://fb.me/sim{index + 1:x}",
        "engagement_audience": False,
    }
    if draws[1] < 40_000:
        fields["conversion_domain"] = "example.com"
    if tree.levels[AD].review[index] == DISAPPROVED:
        fields["ad_review_feedback"] = {
            "global": {"UNACCEPTABLE_BUSINESS_PRACTICES": "This ad goes against our standards."}
        }
    return fields | _issues(tree, AD, index)


def budgeted_by_campaign(tree: Tree, campaign: int) -> bool:
    """True when the campaign holds the budget (advantage campaign budget), else the ad sets do."""
    return draw(tree.key, b"cboq", tree.ordinal, campaign)[0] < 26_000


def _budget(tree: Tree, draws: tuple[int, ...]) -> dict[str, str]:
    amount = _amount(tree, 500 * (1 + draws[8] % 60))
    if draws[9] < 10_000:
        # A lifetime budget is a month of daily ones.
        amount *= 30
        return {"lifetime_budget": str(amount), "budget_remaining": str(amount * draws[10] >> 16)}
    return {"daily_budget": str(amount), "budget_remaining": str(amount * draws[10] >> 16)}


def _amount(tree: Tree, cents: int) -> int:
    return from_cents(cents, tree.spec.currency)


def _targeting(ordinal: int, draws: tuple[int, ...]) -> dict[str, Any]:
    low = 18 + draws[11] % 20
    fields: dict[str, Any] = {
        "age_max": min(65, low + 10 + draws[12] % 40),
        "age_min": low,
        "geo_locations": {
            "countries": _COUNTRIES[draws[13] % len(_COUNTRIES)],
            "location_types": ["home", "recent"],
        },
        "targeting_automation": {"advantage_audience": draws[14] % 2},
    }
    if draws[15] < 20_000:
        fields["genders"] = [1 + draws[15] % 2]
    if draws[16] < 30_000:
        fields["flexible_spec"] = [
            {"interests": [{"id": str(6_003_000_000_000 + draws[16]), "name": "Coffee"}]}
        ]
    if draws[17] < 12_000:
        fields["custom_audiences"] = [library.targeted(ordinal, draws[17])]
    # Meta answers targeting with its keys in alphabetical order.
    return dict(sorted(fields.items()))


def _learning(tree: Tree, index: int, goal: str, draws: tuple[int, ...]) -> dict[str, Any]:
    # Without conversions there is nothing to learn.
    if goal in {"REACH", "IMPRESSIONS", "THRUPLAY"} or draws[18] < 12_000:
        return {}
    status = ("SUCCESS", "LEARNING", "FAIL")[draws[18] % 3]
    info: dict[str, Any] = {
        "status": status,
        "conversions": 50 if status == "SUCCESS" else draws[19] % 49,
        "last_sig_edit_ts": tree.levels[ADSET].updated[index],
        "attribution_windows": ["7d_click", "1d_view"],
    }
    return {"learning_stage_info": info}


def _issues(tree: Tree, level: int, index: int) -> dict[str, Any]:
    if tree.levels[level].review[index] not in {WITH_ISSUES, DISAPPROVED}:
        return {}
    rejected = tree.levels[level].review[index] == DISAPPROVED
    issue = {
        "level": ("CAMPAIGN", "AD_SET", "AD")[level],
        "error_code": 1_815_869 if rejected else 2_490_408,
        "error_summary": "Ad rejected" if rejected else "Ads stopped at spending limit",
        "error_message": "Edit the ad or ask for another review."
        if rejected
        else "Delivery is limited until the issue is fixed.",
        "error_type": "HARD_ERROR" if rejected else "SOFT_ERROR",
        "mid": f"m{tree.ordinal}.{index}",
    }
    return {"issues_info": [issue]}
