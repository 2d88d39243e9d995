"""Insights as a whole: parts add up cell by cell, pages fit together, edits keep the past."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from meta_pipeline.simulator import AccountSpec, EditRefusedError, VirtualClock, World
from meta_pipeline.simulator.insights import InsightsQuery, count, rows
from meta_pipeline.simulator.world.demo import insights_world

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
SPECS = (
    AccountSpec("Sydney", 4, 8, 30, (2, 4, 12)),
    AccountSpec("Tokyo", 2, 4, 10, (1, 2, 6), currency="JPY", zone="Asia/Tokyo"),
    AccountSpec("LA", 2, 4, 10, (1, 2, 6), currency="USD", zone="America/Los_Angeles"),
)
WINDOWS = ("1d_click", "7d_click", "28d_click", "1d_view")
FIELDS = ("account_id", "campaign_id", "adset_id", "ad_id", "impressions", "reach", "spend",
          "clicks", "unique_clicks", "inline_link_clicks", "outbound_clicks", "actions",
          "action_values", "video_p25_watched_actions")  # fmt: skip
STATUSES = ("ACTIVE", "PAUSED", "ARCHIVED", "DELETED", "CAMPAIGN_PAUSED", "ADSET_PAUSED",
            "WITH_ISSUES", "IN_PROCESS", "DISAPPROVED", "PENDING_REVIEW", "PREAPPROVED",
            "PENDING_BILLING_INFO")  # fmt: skip
BREAKDOWNS = (("age",), ("gender",), ("age", "gender"), ("country",), ("product_id",),
              ("publisher_platform",), ("publisher_platform", "platform_position"),
              ("device_platform",), ("title_asset",))  # fmt: skip
WITHOUT_CONVERSIONS = (("region",), ("hourly_stats_aggregated_by_advertiser_time_zone",))


def everything(level: str) -> tuple[dict[str, Any], ...]:
    """A filter that lets every status pass, so that no level leaves rows out."""
    if level == "account":
        return ()
    return ({"field": f"{level}.effective_status", "operator": "IN", "value": STATUSES},)


def additive(row: dict[str, Any]) -> Counter[tuple[str, ...]]:
    """Everything in a row that may be added up, money in minor units."""
    found: Counter[tuple[str, ...]] = Counter()
    for name in ("impressions", "clicks", "inline_link_clicks"):
        found[(name,)] += int(row.get(name, 0))
    found["spend",] += minor(row["spend"])
    for name in ("actions", "action_values", "outbound_clicks", "video_p25_watched_actions"):
        for entry in row.get(name, []):
            for window in ("value", *WINDOWS):
                if window in entry:
                    found[name, entry["action_type"], window] += minor(entry[window])
    return +found


def minor(text: str) -> int:
    return int(text.replace(".", ""))


def total(found: list[dict[str, Any]]) -> Counter[tuple[str, ...]]:
    whole: Counter[tuple[str, ...]] = Counter()
    for row in found:
        whole.update(additive(row))
    return whole


def by(found: list[dict[str, Any]], *keys: str) -> dict[tuple[str, ...], Counter[tuple[str, ...]]]:
    groups: dict[tuple[str, ...], Counter[tuple[str, ...]]] = {}
    for row in found:
        group = tuple(row[key] for key in (*keys, "date_start"))
        groups.setdefault(group, Counter()).update(additive(row))
    return groups


def reaches(found: list[dict[str, Any]]) -> list[int]:
    return [int(row["reach"]) for row in found]


places = st.sampled_from(range(len(SPECS)))
starts = st.integers(0, 100)
lengths = st.integers(1, 9)
minutes = st.integers(0, 50 * 24 * 60)


class Asked:
    """A world at some time, and a range of days to ask it about."""

    def __init__(self, seed: int, place: int, minute: int, start: int, length: int) -> None:
        now = NOW + timedelta(minutes=minute)
        self.world = World(seed=seed, clock=VirtualClock(now), accounts=SPECS,
                           anchor=date(2026, 11, 1))  # fmt: skip
        self.account = self.world.accounts()[place].id
        since = (now - timedelta(days=start)).date()
        self.range = (since, since + timedelta(days=length - 1))

    def query(self, level: str, **more: Any) -> InsightsQuery:
        given = {"increment": 1, "fields": FIELDS, "windows": WINDOWS,
                 "filtering": everything(level), **more}  # fmt: skip
        return InsightsQuery(self.account, level, (self.range,), **given)

    def rows(self, level: str, **more: Any) -> list[dict[str, Any]]:
        return list(rows(self.world, self.query(level, **more)))


asked = st.builds(Asked, st.integers(0, 99), places, minutes, starts, lengths)
relaxed = settings(max_examples=40)


@given(asked)
@relaxed
def test_ads_add_up_to_ad_sets_campaigns_and_the_account(case: Asked) -> None:
    ads = case.rows("ad")
    assert by(ads, "adset_id") == by(case.rows("adset"), "adset_id")
    assert by(ads, "campaign_id") == by(case.rows("campaign"), "campaign_id")
    assert by(ads, "account_id") == by(case.rows("account"), "account_id")


@given(asked, st.sampled_from([2, 3, 7, "monthly", "all_days"]))
@relaxed
def test_days_add_up_to_longer_steps(case: Asked, increment: int | str) -> None:
    days, steps = case.rows("campaign"), case.rows("campaign", increment=increment)
    assert total(days) == total(steps)


@given(asked, st.sampled_from(BREAKDOWNS), st.sampled_from(["ad", "campaign", "account"]))
@relaxed
def test_breakdowns_add_up_cell_by_cell(case: Asked, names: tuple[str, ...], level: str) -> None:
    own = f"{level}_id"
    broken = case.rows(level, breakdowns=names)
    assert by(broken, own) == by(case.rows(level), own)
    if level == "account":
        assert by(broken, *names_as_keys(names, broken)) == by(
            case.rows("ad", breakdowns=names), *names_as_keys(names, broken)
        )


def names_as_keys(names: tuple[str, ...], found: list[dict[str, Any]]) -> tuple[str, ...]:
    """Breakdowns whose values are plain text can be grouped by."""
    return tuple(n for n in names if all(isinstance(row[n], str) for row in found))


@given(asked)
@relaxed
def test_age_is_age_and_gender_added_up(case: Asked) -> None:
    joint = case.rows("account", breakdowns=("age", "gender"))
    for name in ("age", "gender"):
        assert by(joint, name) == by(case.rows("account", breakdowns=(name,)), name)


@given(asked, st.sampled_from(WITHOUT_CONVERSIONS))
@relaxed
def test_delivery_adds_up_where_conversions_are_not_told_apart(
    case: Asked, names: tuple[str, ...]
) -> None:
    kept = [("impressions",), ("clicks",), ("spend",), ("inline_link_clicks",),
            ("actions", "link_click", "value")]  # fmt: skip
    broken, whole = total(case.rows("ad", breakdowns=names)), total(case.rows("account"))
    assert [broken[key] for key in kept] == [whole[key] for key in kept]


@given(asked, st.sampled_from(["levels", "days", "age"]))
@relaxed
def test_reach_is_between_its_largest_part_and_the_sum(case: Asked, cut: str) -> None:
    whole = case.rows("account", increment="all_days")
    parts = {
        "levels": lambda: case.rows("ad", increment="all_days"),
        "days": lambda: case.rows("account"),
        "age": lambda: case.rows("account", increment="all_days", breakdowns=("age",)),
    }[cut]()
    assert bool(whole) == bool(parts)
    if whole:
        (reach,) = reaches(whole)
        assert max(reaches(parts)) <= reach <= sum(reaches(parts))
    for row in parts:
        assert int(row["reach"]) <= int(row["impressions"])
        assert int(row.get("unique_clicks", 0)) <= min(int(row["clicks"]), int(row["reach"]))


@pytest.mark.slow
@given(
    asked,
    st.sampled_from(["ad", "campaign", "account"]),
    st.sampled_from([(), ("age",), ("publisher_platform", "platform_position")]),
    st.integers(1, 60),
    st.sampled_from([(), ("spend_descending",)]),
)
@relaxed
def test_pages_of_any_size_make_the_whole(
    case: Asked, level: str, names: tuple[str, ...], size: int, sort: tuple[str, ...]
) -> None:
    query = case.query(level, breakdowns=names, sort=sort)
    whole = list(rows(case.world, query))
    assert count(case.world, query) == len(whole)
    paged: list[dict[str, Any]] = []
    for offset in range(0, len(whole) + 1, size):
        paged += rows(case.world, query, offset=offset, limit=size)
    assert paged == whole


@pytest.mark.slow
@given(asked, st.integers(0, 40 * 24 * 60))
@relaxed
def test_delivery_of_a_day_that_is_over_is_final_and_conversions_only_grow(
    case: Asked, later: int
) -> None:
    clock = case.world.clock
    assert isinstance(clock, VirtualClock)
    over = (clock.now() - timedelta(days=2)).date()
    case.range = (over - timedelta(days=10), over)
    early = by(case.rows("ad", breakdowns=("age",)), "ad_id", "age")
    clock.advance(later * 60)
    late = by(case.rows("ad", breakdowns=("age",)), "ad_id", "age")
    assert early.keys() == late.keys()
    for group, counts in early.items():
        assert late[group]["impressions",] == counts["impressions",]
        assert late[group]["spend",] == counts["spend",]
        assert all(late[group][key] >= value for key, value in counts.items())


class Edits(RuleBasedStateMachine):
    """Any edits at any times: sums stay sums, and what was delivered stays delivered."""

    @initialize(seed=st.integers(0, 50))
    def begin(self, seed: int) -> None:
        self.clock = VirtualClock(NOW)
        self.world = World(seed=seed, clock=self.clock, accounts=SPECS[:1])
        self.account = self.world.accounts()[0].id
        self.seen: dict[tuple[str, ...], int] = {}
        self.updated: dict[str, int] = {}

    @rule(seconds=st.integers(1, 3 * 86_400))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(kind=st.sampled_from(["campaigns", "adsets", "ads"]), place=st.integers(0, 100),
          verb=st.sampled_from(["pause", "activate", "archive", "delete"]))  # fmt: skip
    def switch(self, kind: str, place: int, verb: str) -> None:
        edge = self.world.objects(kind, self.account)
        target = edge[place % len(edge)]
        dead = target.values["status"] in {"ARCHIVED", "DELETED"}
        try:
            getattr(self.world, verb)(target.id)
        except EditRefusedError:
            assert dead

    @rule(place=st.integers(0, 100), amount=st.integers(100, 10**6))
    def rebudget(self, place: int, amount: int) -> None:
        edge = self.world.objects("adsets", self.account, statuses={"ACTIVE", "PAUSED"})
        if edge:
            target = edge[place % len(edge)]
            self.world.set_budget(target.id, daily_minor=amount)
            after = self.world.get(target.id)
            assert after is not None
            assert after.values["updated_time"] == target.values["updated_time"]

    @rule(place=st.integers(0, 100))
    def launch(self, place: int) -> None:
        edge = self.world.objects("adsets", self.account)
        made = self.world.add_ad(edge[place % len(edge)].id, name="launched")
        assert self.world.objects("ads", self.account)[0] == made

    @rule(place=st.integers(0, 100))
    def expand(self, place: int) -> None:
        edge = self.world.objects("campaigns", self.account)
        adset = self.world.add_adset(edge[place % len(edge)].id, name="expanded")
        self.world.add_ad(adset.id, name="first of it")

    @invariant()
    def sums_stay_sums(self) -> None:
        if not hasattr(self, "world"):
            return
        today = self.clock.now().date()
        week = ((today - timedelta(days=6), today + timedelta(days=1)),)

        def ask(level: str) -> list[dict[str, Any]]:
            query = InsightsQuery(self.account, level, week, 1, FIELDS, (), (), WINDOWS,
                                  everything(level))  # fmt: skip
            found = list(rows(self.world, query))
            assert len(found) == count(self.world, query)
            return found

        ads = ask("ad")
        assert by(ads, "campaign_id") == by(ask("campaign"), "campaign_id")
        assert by(ads, "account_id") == by(ask("account"), "account_id")
        for row in ads:
            key = row["ad_id"], row["date_start"]
            assert int(row["impressions"]) >= self.seen.get(key, 0)
            self.seen[key] = int(row["impressions"])
        present = {(row["ad_id"], row["date_start"]) for row in ads}
        expected = {k for k in self.seen if k[1] >= week[0][0].isoformat()}
        assert expected <= present

    @invariant()
    def updated_time_never_goes_back(self) -> None:
        if not hasattr(self, "world"):
            return
        for level in self.world.trees[0].levels:
            for index, at in enumerate(level.updated):
                key = f"{id(level)}:{index}"
                assert at >= self.updated.get(key, 0)
                self.updated[key] = at


TestEdits = Edits.TestCase
TestEdits.settings = settings(max_examples=12, stateful_step_count=12)


@pytest.fixture(scope="module")
def million() -> World:
    return insights_world(VirtualClock(NOW))


def test_a_million_rows_are_paged_through_from_anywhere(million: World) -> None:
    (account,) = million.accounts()
    span = ((date(2026, 8, 23), date(2026, 11, 20)),)
    query = InsightsQuery(account.id, "ad", span, 1, ("ad_id", "impressions"))
    size = count(million, query)
    assert size >= 1_000_000
    last = list(rows(million, query, offset=size - 3, limit=500))
    assert len(last) == 3
    middle = list(rows(million, query, offset=543_210, limit=500))
    assert list(rows(million, query, offset=543_300, limit=10)) == middle[90:100]
    assert len({(row["ad_id"], row["date_start"]) for row in middle}) == 500
