"""The demo world has a true case of each kind: over all twelve accounts, just those are shown.

What is true is asked of the world itself, of Meta's statuses and of days that no rule looked at.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest

from meta_pipeline import metrics
from meta_pipeline.advice import Account
from meta_pipeline.advisor import AdviceRow, judge_account, known_account, open_advice
from meta_pipeline.metrics.unreconciled import unreconciled_days
from meta_pipeline.settings import Settings
from meta_pipeline.simulator import Limits, Simulator, VirtualClock, World, demo_world
from meta_pipeline.simulator.insights import InsightsQuery, rows
from meta_pipeline.simulator.world.demo import BROKEN_PIXEL, TIRED, TWINS
from meta_pipeline.sync import SyncEngine, SyncRequest

NOW = datetime.now(UTC)
TOKEN = "EAADEMO0WORLD0TOKEN"
REFUSED = ("DISAPPROVED", "WITH_ISSUES", "PENDING_BILLING_INFO")
EDGES = ("campaigns", "adsets", "ads")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@dataclass(frozen=True)
class Shown:
    """What the page shows of all accounts, the world it is of, and what is known of each."""

    world: World
    advice: dict[str, list[AdviceRow]]
    known: dict[str, Account]

    def cpa(self, entity_id: str) -> float:
        """Over all days that are stored; infinite without a result."""
        for account in self.known.values():
            for one in account.entities:
                if one.entity_id == entity_id:
                    made = sum(day.results for day in one.days)
                    return sum(day.spend for day in one.days) / made if made else float("inf")
        raise AssertionError(f"nothing is known of {entity_id}")

    def value(self, entity_id: str, name: str) -> object:
        found = self.world.get(entity_id)
        assert found is not None
        return found.values.get(name)


@pytest.fixture(scope="module")
def shown(postgres: object) -> Iterator[Shown]:
    world = demo_world(VirtualClock(NOW), anchor=NOW.date())
    with (
        postgres.fresh_database() as url,  # type: ignore[attr-defined]
        Simulator(world, token=TOKEN, limits=Limits(tier="standard_access")) as sim,
    ):
        settings = Settings.load(
            env_file=None, META_ACCESS_TOKEN=TOKEN, META_GRAPH_URL=sim.url, DATABASE_URL=url
        )
        found: dict[str, list[AdviceRow]] = defaultdict(list)
        known: dict[str, Account] = {}
        with SyncEngine.open(settings) as engine:
            for account_id in [one.account_id for one in engine.discover().accounts]:
                engine.sync(SyncRequest(account_id))
                with engine.warehouse.connection() as connection:
                    metrics.rollup(connection, account_id)
                    if days := unreconciled_days(connection, account_id):
                        metrics.reconcile(connection, account_id, days[0], days[-1])
                judge_account(engine.warehouse, account_id, now=NOW)
                known[account_id] = known_account(engine.warehouse, account_id, NOW)
            with engine.warehouse.connection() as connection:
                for row in open_advice(connection):
                    found[row.kind].append(row)
        yield Shown(world, found, known)


def test_every_kind_is_there_once_for_each_thing(shown: Shown) -> None:
    advice = shown.advice
    assert advice.keys() == {
        *("delivery", "learning_limited", "pause", "scale", "fatigue", "pacing", "anomaly"),
        *("budget_shift", "duplicates"),
    }
    assert len(shown.known) == 12
    assert sum(map(len, advice.values())) <= 65, "what is true is said once, not in pieces"
    decided = {row.entity_id for row in (*advice["pause"], *advice["scale"])}
    for row in advice["pacing"]:
        assert not decided & {row.entity_id, *row.entity_ids}, "nobody paces what is to be paused"
    paused = {row.entity_id for row in advice["pause"]}
    scaled = {row.entity_id for row in advice["scale"]}
    for row in advice["budget_shift"]:
        giver, taker = row.entity_ids
        assert giver not in scaled
        assert taker not in paused
    assert not paused & {shown.value(one, "adset_id") for one in paused}


def test_what_was_planted_is_what_is_shown(shown: Shown) -> None:
    """The tired creative, the twins and the broken pixel, in their accounts and in no other."""
    assert [row.entity_id for row in shown.advice["fatigue"]] == [TIRED]
    (twins,) = shown.advice["duplicates"]
    assert set(twins.entity_ids) == {TWINS[0][0], TWINS[1][0]}
    assert {row.account_id for row in shown.advice["anomaly"]} == {BROKEN_PIXEL}
    for row in shown.advice["anomaly"]:
        assert row.numbers["day"] >= str((NOW - timedelta(days=7)).date())


def test_all_that_meta_refused_is_shown_and_nothing_else(shown: Shown) -> None:
    refused, off = set(), set()
    for account in shown.world.accounts():
        if account.id in shown.known and account.values["account_status"] in (2, 3, 7, 8, 9, 100):
            off.add(account.id)
        elif account.id in shown.known:
            for one in chain(*(shown.world.objects(edge, account.id) for edge in EDGES)):
                status = one.values["effective_status"]
                if status in REFUSED or (status == "ACTIVE" and one.values.get("issues_info")):
                    refused.add(one.id)
    said = [row for row in shown.advice["delivery"] if "days_silent" not in row.numbers]
    assert {one for row in said for one in row.entity_ids} == refused | off
    for row in shown.advice["delivery"]:
        if "days_silent" in row.numbers:
            assert shown.value(row.entity_id, "effective_status") == "ACTIVE"


def test_every_ad_set_that_cannot_end_learning_is_shown(shown: Shown) -> None:
    """Of those that have a share of the spend, and too few results."""
    limited = set()
    for account in shown.known.values():
        week = account.today - timedelta(days=7)
        for one in account.of_type("adset"):
            stage = shown.value(one.entity_id, "learning_stage_info")
            if not isinstance(stage, dict) or stage["status"] != "FAIL" or not one.is_active:
                continue
            made = sum(day.results for day in one.between(week, account.yesterday))
            if (
                account.spend_a_day(one) >= 0.01 * account.whole_spend_a_day
                and made / 7 < stage.get("dynamic_lp_conversions_threshold", 50) / 7
            ):
                limited.add(one.entity_id)
    assert {row.entity_id for row in shown.advice["learning_limited"]} == limited


def test_what_is_dear_and_cheap_was_so_before_the_rule_looked(shown: Shown) -> None:
    """In three months that no rule has seen, as far as they have enough to tell.

    Each may look a little otherwise there, by chance; none is refuted, most are confirmed.
    """
    distances = []
    for kind, sign in (("pause", 1), ("scale", -1)):
        for row in shown.advice[kind]:
            assert sign * (shown.cpa(row.entity_id) - float(row.numbers["siblings_cpa"])) > 0
            distance = _before(shown, row)
            if distance is not None:
                distances.append(sign * distance)
                assert sign * distance > -2, row.what
    for row in shown.advice["budget_shift"]:
        giver, taker = row.entity_ids
        assert shown.cpa(giver) > shown.cpa(taker)
    assert len(distances) >= 3
    assert sum(distances) > 2 * math.sqrt(len(distances)), "together they are no chance"


def _before(shown: Shown, row: AdviceRow) -> float | None:
    """How much dearer than its siblings it was before the stored days, in standard errors."""
    level, owner = ("ad", "adset_id") if row.entity_type == "ad" else ("adset", "campaign_id")
    until = NOW.date() - timedelta(days=100)
    query = InsightsQuery(
        node_id=str(shown.value(row.entity_id, owner)),
        level=level,
        ranges=((until - timedelta(days=90), until),),
        fields=(f"{level}_id", "spend", "actions"),
    )
    sides = {True: [0.0, 0.0], False: [0.0, 0.0]}
    metric = _metric(shown, row)
    if metric is None:
        return None
    for each in rows(shown.world, query):
        side = sides[each[f"{level}_id"] == row.entity_id]
        side[0] += float(each["spend"])
        side[1] += sum(
            float(one["value"]) for one in each.get("actions", ()) if one["action_type"] == metric
        )
    (own, made), (rest, rest_made) = sides[True], sides[False]
    if made < 20 or rest_made < 20:
        return None
    return math.log((own / made) / (rest / rest_made)) / math.sqrt(1 / made + 1 / rest_made)


def _metric(shown: Shown, row: AdviceRow) -> str | None:
    """Meta's name of what is counted as a result."""
    for one in shown.known[row.account_id].entities:
        if one.entity_id == row.entity_id:
            return {
                "purchases": "purchase",
                "leads": "lead",
                "link_clicks": "link_click",
                "landing_page_views": "landing_page_view",
            }.get(one.result_metric or "")
    return None


def test_each_says_what_a_sceptic_asks(shown: Shown) -> None:
    for kind, given in shown.advice.items():
        for row in given:
            for sentence in (row.what, row.why, row.method, row.doubt, row.expected_effect):
                assert sentence.endswith("."), sentence
                assert len(sentence) < 420, sentence
            assert row.numbers
            assert row.ads_manager_url.startswith("https://adsmanager.facebook.com/")
            if kind == "pacing":
                assert not 80 <= row.numbers["pace_pct"] <= 120
