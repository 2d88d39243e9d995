"""Golden questions: each with the one question of the metric layer it stands for.

The judge is `metrics.query` with these arguments; days are written out, because the world's moment
is fixed: Friday 2026-11-20 in Berlin (Nordwind Shop, EUR), still Thursday in New York (2EZi, USD).
"""
# ruff: noqa: E501

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

N, E = "act_990000000000001", "act_990000000000002"
LAST_7D = ("2026-11-13", "2026-11-19")
LAST_WEEK = ("2026-11-09", "2026-11-15")
THIS_WEEK = ("2026-11-16", "2026-11-20")
THIS_MONTH = ("2026-11-01", "2026-11-20")
LAST_MONTH = ("2026-10-01", "2026-10-31")
LAST_14D = ("2026-11-06", "2026-11-19")
LAST_28D = ("2026-10-23", "2026-11-19")
YESTERDAY = ("2026-11-19", "2026-11-19")
TODAY = ("2026-11-20", "2026-11-20")


@dataclass(frozen=True)
class Golden:
    """A question in words and the same as arguments; `where` and `top` are applied to the rows."""

    question: str
    metrics: str
    by: str = ""
    days: tuple[str, str] = LAST_7D
    account: str = N
    filters: dict[str, list[str]] = field(default_factory=dict)
    where: Sequence[str] = ()
    top: tuple[str, bool, int] | None = None
    attribution: str = "default"


def g(
    question: str, metrics: str, by: str = "", days: tuple[str, str] = LAST_7D, **more: object
) -> Golden:
    return Golden(question, metrics, by, days, **more)  # type: ignore[arg-type]


ACTIVE = ["ACTIVE", "WITH_ISSUES"]
PAUSED = ["PAUSED", "CAMPAIGN_PAUSED", "ADSET_PAUSED"]
CASES = [
    # one number, many ways to say it
    g("spend for nordwind", "spend"),
    g("What did we spend in nordwind?", "spend"),
    g("How much did Nordwind Shop spend yesterday?", "spend", "", YESTERDAY),
    g("amount spent today, nordwind", "spend", "", TODAY),
    g("nordwind spending last week", "spend", "", LAST_WEEK),
    g("show me the total cost of nordwind last month", "spend", "", LAST_MONTH),
    g("impressions this week in nordwind", "impressions", "", THIS_WEEK),
    g("number of clicks in nordwind this month", "clicks", "", THIS_MONTH),
    g("How many leads did nordwind get last week?", "leads", "", LAST_WEEK),
    g("How many purchases did we have in Nordwind Shop in the last 14 days?", "purchases", "", LAST_14D),
    g("purchase value of nordwind over the past 28 days", "revenue", "", LAST_28D),
    g("revenue nordwind month to date", "revenue", "", THIS_MONTH),
    g("roas for nordwind", "roas"),
    g("What was our return on ad spend last week in nordwind?", "roas", "", LAST_WEEK),
    g("nordwind ctr yesterday", "ctr", "", YESTERDAY),
    g("click-through rate of nordwind", "ctr"),
    g("What is the link click-through rate of nordwind?", "link_ctr"),
    g("CPM for nordwind last week", "cpm", "", LAST_WEEK),
    g("cost per 1,000 impressions in nordwind", "cpm"),
    g("cpc nordwind", "cpc"),
    g("cost per click in nordwind", "cpc"),
    g("cost per link click nordwind", "cost_per_link_click"),
    g("cost per lead nordwind last month", "cpl", "", LAST_MONTH),
    g("What does a lead cost in nordwind?", "cpl"),
    g("How much does a purchase cost in nordwind?", "cpa"),
    g("cost of a registration in nordwind", "cost_per_registration"),
    g("price per lead nordwind", "cpl"),
    g("cost per result for nordwind", "cost_per_result"),
    g("aov nordwind", "average_order_value"),
    g("conversion rate nordwind last 14 days", "conversion_rate", "", LAST_14D),
    g("How many Free Base Members did we win this week in nordwind?", "free_base_members", "", THIS_WEEK),
    g("thruplays in nordwind", "thruplays"),
    g("3-second video plays nordwind", "video_views"),
    g("add to carts nordwind", "add_to_carts"),
    g("lpv nordwind", "landing_page_views"),
    g("landing page view rate nordwind", "landing_page_view_rate"),
    g("What share of link clicks reached the landing page in nordwind?", "landing_page_view_rate"),
    g("page likes in nordwind", "page_likes"),
    # several at once
    g("spend and leads nordwind", "spend leads"),
    g("spend, impressions, clicks and ctr for nordwind last week", "spend impressions clicks ctr", "", LAST_WEEK),
    g("leads and what does one cost in nordwind", "leads cpl"),
    g("purchases and their value in nordwind", "purchases revenue"),
    # days
    g("nordwind spend last 3 days", "spend", "", ("2026-11-17", "2026-11-19")),
    g("nordwind spend in the last five days", "spend", "", ("2026-11-15", "2026-11-19")),
    g("nordwind spend past 10 days", "spend", "", ("2026-11-10", "2026-11-19")),
    g("nordwind spend last 30 days", "spend", "", ("2026-10-21", "2026-11-19")),
    g("nordwind spend last two weeks", "spend", "", ("2026-11-02", "2026-11-15")),
    g("nordwind spend since Monday", "spend", "", ("2026-11-16", "2026-11-20")),
    g("nordwind spend since 1 November", "spend", "", ("2026-11-01", "2026-11-20")),
    g("nordwind spend since October", "spend", "", ("2026-10-01", "2026-11-20")),
    g("nordwind spend on 5 November", "spend", "", ("2026-11-05", "2026-11-05")),
    g("nordwind spend on November 5th", "spend", "", ("2026-11-05", "2026-11-05")),
    g("nordwind spend on 2026-11-05", "spend", "", ("2026-11-05", "2026-11-05")),
    g("nordwind spend on 5.11.2026", "spend", "", ("2026-11-05", "2026-11-05")),
    g("nordwind spend from 1 November to 7 November", "spend", "", ("2026-11-01", "2026-11-07")),
    g("nordwind spend between 3 and 9 November", "spend", "", ("2026-11-03", "2026-11-09")),
    g("nordwind spend from 2026-11-01 until 2026-11-10", "spend", "", ("2026-11-01", "2026-11-10")),
    g("nordwind spend in October", "spend", "", LAST_MONTH),
    g("nordwind spend in October 2026", "spend", "", LAST_MONTH),
    g("nordwind spend last Monday", "spend", "", ("2026-11-16", "2026-11-16")),
    g("nordwind spend the day before yesterday", "spend", "", ("2026-11-18", "2026-11-18")),
    g("nordwind spend 3 days ago", "spend", "", ("2026-11-17", "2026-11-17")),
    g("nordwind spend last weekend", "spend", "", ("2026-11-14", "2026-11-15")),
    g("nordwind spend this quarter", "spend", "", ("2026-10-01", "2026-11-20")),
    g("nordwind spend ytd", "spend", "", ("2026-01-01", "2026-11-20")),
    g("nordwind spend in q4", "spend", "", ("2026-10-01", "2026-11-20")),
    g("nordwind spend in 2026", "spend", "", ("2026-01-01", "2026-11-20")),
    # by what
    g("nordwind spend by campaign", "spend", "campaign"),
    g("nordwind spend per ad set last week", "spend", "adset", LAST_WEEK),
    g("What did each ad spend in nordwind yesterday?", "spend", "ad", YESTERDAY),
    g("What did each campaign spend yesterday in nordwind, also those that spent nothing?", "spend", "campaign", YESTERDAY),
    g("nordwind spend by day", "spend", "day"),
    g("daily spend nordwind last week", "spend", "day", LAST_WEEK),
    g("nordwind leads day by day", "leads", "day"),
    g("weekly spend in nordwind over the last 28 days", "spend", "week", LAST_28D),
    g("What does a lead cost, week by week, in nordwind in the last 28 days?", "cpl", "week", LAST_28D),
    g("nordwind spend by month since 1 October", "spend", "month", ("2026-10-01", "2026-11-20")),
    g("nordwind spend by objective", "spend", "objective"),
    g("spend by campaign and day in nordwind", "spend", "campaign day"),
    g("spend of nordwind split by campaign and objective", "spend", "campaign objective"),
    g("spend of campaigns in nordwind", "spend", "campaign"),
    g("nordwind results by optimization goal", "results", "optimization_goal"),
    g("How many people did nordwind reach each day?", "reach", "day"),
    g("How often did each person see each ad yesterday in nordwind?", "frequency", "ad", YESTERDAY),
    g("reach and frequency by day nordwind", "reach frequency", "day"),
    g("spend by creative in nordwind", "spend", "creative"),
    # ranked
    g("top 3 campaigns by spend in nordwind", "spend", "campaign", top=("spend", True, 3)),
    g("top three ads by roas nordwind", "roas", "ad", top=("roas", True, 3)),
    g("which campaign has the highest roas in nordwind?", "roas", "campaign", top=("roas", True, 1)),
    g("which campaign spent the most in nordwind last week?", "spend", "campaign", LAST_WEEK, top=("spend", True, 1)),
    g("Which five ads have the best click-through rate in nordwind?", "ctr", "ad", top=("ctr", True, 5)),
    g("which ad set has the lowest cost per lead in nordwind", "cpl", "adset", top=("cpl", False, 1)),
    g("best 2 campaigns by cost per result nordwind", "cost_per_result", "campaign", top=("cost_per_result", False, 2)),
    g("worst 2 campaigns by cost per result nordwind", "cost_per_result", "campaign", top=("cost_per_result", True, 2)),
    g("the two ads with the most clicks in nordwind", "clicks", "ad", top=("clicks", True, 2)),
    g("bottom 2 ad sets by ctr nordwind", "ctr", "adset", top=("ctr", False, 2)),
    g("most expensive campaign by cpm nordwind", "cpm", "campaign", top=("cpm", True, 1)),
    g("cheapest ad by cpc in nordwind", "cpc", "ad", top=("cpc", False, 1)),
    g("top 2 campaigns by leads in nordwind last month", "leads", "campaign", LAST_MONTH, top=("leads", True, 2)),
    g("nordwind top 4 ads by spend this month", "spend", "ad", THIS_MONTH, top=("spend", True, 4)),
    g("campaigns in nordwind sorted by clicks", "clicks", "campaign", top=("clicks", True, 1000)),
    # only some
    g("campaigns that spent over 100 EUR in nordwind", "spend", "campaign", where=["spend > 100"]),
    g("nordwind spend by ad under 20 euros", "spend", "ad", where=["spend < 20"]),
    g("ads with more than 1000 impressions in nordwind", "impressions", "ad", where=["impressions > 1000"]),
    g("nordwind campaigns with at least 5 leads last month", "leads", "campaign", LAST_MONTH, where=["leads >= 5"]),
    g("campaigns without results in nordwind last week", "results", "campaign", LAST_WEEK, where=["results = 0"]),
    g("ads with no purchases in nordwind", "purchases", "ad", where=["purchases = 0"]),
    g("ad sets that got leads in nordwind", "leads", "adset", where=["leads > 0"]),
    g("spend of campaigns without purchases in nordwind", "spend purchases", "campaign", where=["purchases = 0"]),
    g("spend by ad with ctr above 2% in nordwind", "spend ctr", "ad", where=["ctr > 2"]),
    g("ads with cpl below 50 EUR and at least 1 lead in nordwind", "cpl leads", "ad", where=["cpl < 50", "leads >= 1"]),
    g("campaigns with spend between 100 and 2000 EUR in nordwind", "spend", "campaign", where=["spend >= 100", "spend <= 2000"]),
    g("Which campaigns delivered nothing in the last 30 days in nordwind?", "spend impressions", "campaign", ("2026-10-21", "2026-11-19"), where=["spend = 0", "impressions = 0"]),
    g("which ads spent nothing in nordwind this week", "spend impressions", "ad", THIS_WEEK, where=["spend = 0", "impressions = 0"]),
    g("roas of ads with >= 2 purchases in nordwind", "roas purchases", "ad", where=["purchases >= 2"]),
    g("top 2 ads by ctr with over 1,000 impressions nordwind", "ctr impressions", "ad", where=["impressions > 1000"], top=("ctr", True, 2)),
    # status
    g("spend of active campaigns in nordwind", "spend", "campaign", filters={"campaign_status": ACTIVE}),
    g("What do the running campaigns spend in nordwind, by objective?", "spend", "objective", filters={"campaign_status": ACTIVE}),
    g("spend by ad of paused ads in nordwind", "spend", "ad", filters={"ad_status": PAUSED}),
    g("leads of live ad sets nordwind", "leads", "adset", filters={"adset_status": ACTIVE}),
    g("top 2 active campaigns by spend in nordwind", "spend", "campaign", filters={"campaign_status": ACTIVE}, top=("spend", True, 2)),
    # attribution
    g("How many purchases came within seven days of a click in nordwind?", "purchases", attribution="7d_click"),
    g("purchases within 1 day of a view in nordwind", "purchases", attribution="1d_view"),
    g("nordwind purchases 7d click last 14 days", "purchases", "", LAST_14D, attribution="7d_click"),
    # accounts and entities, by part of a name, an id, with a typing error
    g("spend 2ezi", "spend", "", ("2026-11-12", "2026-11-18"), account=E),
    g("spend last week by campaign for 2EZi", "spend", "campaign", LAST_WEEK, account=E),
    g("spend yesterday 2EZi Main US", "spend", "", ("2026-11-18", "2026-11-18"), account=E),
    g(f"spend of {E} last week", "spend", "", LAST_WEEK, account=E),
    g("spend for Nordwnd", "spend"),
    g("spend of account nordwind", "spend"),
    g('spend for "Nordwind Shop"', "spend"),
    g("spend for nordwind shop's campaigns", "spend", "campaign"),
    g("spend of campaign 991000100000000004", "spend", filters={"campaign": ["991000100000000004"]}),
    g("spend by ad set of campaign 991000100000000004", "spend", "adset", filters={"campaign": ["991000100000000004"]}),
    g("CPM and link CTR of the ad sets of campaign 991000100000000004", "cpm link_ctr", "adset", filters={"campaign": ["991000100000000004"]}),
    g('spend of campaign "Retargeting | Tradies #4" last week', "spend", "", LAST_WEEK, filters={"campaign": ["991000100000000004"]}),
    g("spend of retargeting tradies 6 in nordwind", "spend", filters={"campaign": ["991000100000000006"]}),
    g("leads of ad 993000100000000014 by day", "leads", "day", filters={"ad": ["993000100000000014"]}),
    g("spend of retargeting campaigns in nordwind", "spend", filters={"campaign_name": ["*retargeting*"]}),
    g("clicks of campaigns containing EOFY by campaign in nordwind", "clicks", "campaign", filters={"campaign_name": ["*eofy*"]}),
    # politeness, noise and spelling
    g("please show me the spend of nordwind, thanks", "spend"),
    g("NORDWIND SPEND LAST WEEK???", "spend", "", LAST_WEEK),
    g("nordwind's spend last week", "spend", "", LAST_WEEK),
    g("what's nordwind's ctr?", "ctr"),
    g("hey, how much did we spend on nordwind yesterday", "spend", "", YESTERDAY),
    g("give me nordwind's leads per campaign for last month please", "leads", "campaign", LAST_MONTH),
    g("i need to see the impressions by campaign of nordwind", "impressions", "campaign"),
    g("could you tell me the cpm of nordwind yesterday?", "cpm", "", YESTERDAY),
    g("nordwind link ctr by campaign last month", "link_ctr", "campaign", LAST_MONTH),
    g("purchases and roas of nordwind by day this week", "purchases roas", "day", THIS_WEEK),
    g("clicks by ad set for nordwind last week", "clicks", "adset", LAST_WEEK),
    g("Cost per click nordwind since last Monday", "cpc", "", ("2026-11-16", "2026-11-20")),
]  # fmt: skip
