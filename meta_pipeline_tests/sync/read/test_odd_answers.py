"""Answers of the right shape with the wrong content: recorded, and nothing else is lost."""

from __future__ import annotations

import itertools
import json
import random
import string
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from meta_pipeline.metrics import rollup
from meta_pipeline.simulator import ABSENT, Fault
from meta_pipeline.sync import DEFAULT_PARTS, ENTITIES, Part, Status, SyncRequest
from meta_pipeline.sync.rows.datasets import HOUR, Dataset, broken_down, daily, hourly
from meta_pipeline.sync.rows.entity_mapping import EntityMapper, Row, Source
from meta_pipeline.sync.rows.fields import ENTITY_SPECS, EntitySpec
from meta_pipeline.sync.rows.insights_mapping import InsightsMapper
from meta_pipeline.sync.rows.unrecognized import Findings
from meta_pipeline.sync.write.slices import Slice, rendered
from meta_pipeline.sync.write.writer import Writer
from meta_pipeline.warehouse import Warehouse, account_lock
from meta_pipeline_tests.sync.lab import Lab

NUMBERS = frozenset({Part.INSIGHTS})
SOURCE = Source("act_1", "EUR", "Europe/Berlin", datetime(2026, 11, 20, tzinfo=UTC), "0" * 32)
FOUND = "SELECT source, field, reason FROM meta_ads.unrecognized_values"
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from([
        "1e999", "-0", "1e-400", "9" * 30, "9" * 5_000, "NaN", "Infinity", "١٢", "\x00", "\ud83d",
        "2026-13-45", "0001-01-01T00:00:00+2359", "9999-12-31T23:59:59-1200", 10**40, 2**63,
        -(2**63), 1e308, "", "0", "ACTIVE",
    ]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip

WIDTHS = [
    number
    for largest in (2**15, 2**31, 2**32, 2**63)
    for number in (largest - 1, largest, -largest, -largest - 1)
]
"""Whole numbers on both sides of what a column of 16, 32 or 64 bits holds."""
EXPONENTS = [f"{digits}e{sign}{zeros}" for digits in ("1", "-7.5", "0") for sign in ("", "-")
             for zeros in (65, 20_000, 140_000, 10**7, 10**17)]  # fmt: skip
"""Short texts of numbers that have more digits than Postgres, or the memory, holds."""
LONG = "".join(random.Random(11).choices(string.ascii_letters + string.digits, k=4_000))
"""Text that no compression makes short enough for a row of an index (2,704 bytes)."""
LIMITS: list[Any] = [*WIDTHS, *map(str, WIDTHS), *EXPONENTS, LONG, [LONG], {"id": LONG}]


def reasons(found: Lab) -> set[tuple[str, str]]:
    return {(row["field"], row["reason"]) for row in found.query(FOUND)}


def answer(rows: list[dict[str, Any]]) -> Fault:
    return Fault.wrong_shape(json.dumps({"data": rows}).encode())


def answer_ads(small: Lab, rows: list[dict[str, Any]]) -> None:
    """Answer what is asked of the ads' insights with `rows`, and leave the account's own."""
    small.sync(parts=ENTITIES)
    small.sim.fail(
        "GET",
        f"{small.account_id}/insights",
        until=lambda request: request.params.get("level") != "ad",
        with_=answer(rows),
    )


def lose_ads(small: Lab) -> None:
    """The ads were listed and are not in their table: insights are going to miss them."""
    small.sync(parts=ENTITIES)
    with small.warehouse.connection() as connection:
        connection.execute("DELETE FROM meta_ads.meta_ads")


# -- any value in any field -----------------------------------------------------------------------


def _write(
    warehouse: Warehouse,
    spec: EntitySpec | Dataset,
    columns: list[str],
    rows: list[Any],
    findings: Findings,
) -> None:
    lines = rendered(spec.table, columns, rows, findings)
    one = Slice(spec.part, spec.table, columns, lines, len(rows))
    with account_lock(warehouse.url, "act_1", holder="test") as connection:
        writer = Writer(connection, SOURCE, findings, warehouse.unrecognized)
        writer.write(one)
        writer.finish()


@pytest.mark.parametrize("spec", ENTITY_SPECS.values(), ids=lambda spec: spec.edge)
def test_any_value_in_any_field_of_an_entity_can_be_stored(
    spec: EntitySpec, warehouse: Warehouse
) -> None:
    names = [known.name for known in spec.fields[1:]]
    rows: list[Any] = []
    findings = Findings()
    mapper = EntityMapper(spec, findings)

    @settings(suppress_health_check=[HealthCheck.too_slow])
    @given(st.dictionaries(st.sampled_from(names), ANYTHING))
    def collect(values: dict[str, Any]) -> None:
        rows.append(mapper.row({"id": str(len(rows)), **values}, SOURCE))

    collect()
    # Where a column or an index ends, whatever was generated above.
    for name, value in itertools.product(names, LIMITS):
        rows.append(mapper.row({"id": str(len(rows)), name: value}, SOURCE))
    _write(warehouse, spec, mapper.columns, rows, findings)
    with warehouse.connection() as connection:
        (stored,) = connection.execute(f"SELECT count(*) FROM {spec.table}").fetchone() or (0,)
        refused = connection.execute(
            "SELECT value FROM meta_ads.unrecognized_values WHERE reason = 'refused_row'"
        ).fetchall()
    assert stored == len(rows)
    assert refused == []


@pytest.mark.parametrize(
    "dataset",
    [daily("ad"), daily("account"), hourly(), broken_down(("age", "gender"))],
    ids=lambda one: one.name,
)
def test_any_value_in_any_field_of_insights_can_be_stored(
    dataset: Any, warehouse: Warehouse
) -> None:
    names = [*dataset.fields, *dataset.breakdowns]
    rows: list[Any] = []
    findings = Findings()
    mapper = InsightsMapper(dataset, SOURCE, findings)

    @settings(suppress_health_check=[HealthCheck.too_slow])
    @given(st.dictionaries(st.sampled_from(names), ANYTHING))
    @example({dataset.id_field: "half \ud83d", "reach": {}})
    def collect(values: dict[str, Any]) -> None:
        row = mapper.row({"date_start": "2026-11-19", "date_stop": "2026-11-19", **values})
        rows.extend([row] if row else [])

    collect()
    key = {name: REGULAR[name] for name in (dataset.id_field, "date_start", *dataset.breakdowns)}
    for name, value in itertools.product(names, LIMITS):
        for row in mapper.rows([{**key, name: value}]):
            assert row is not None
            rows.append(row)
    _write(warehouse, dataset, mapper.columns, rows, findings)
    with warehouse.connection() as connection:
        refused = connection.execute(
            "SELECT value FROM meta_ads.unrecognized_values WHERE reason = 'refused_row'"
        ).fetchall()
    assert refused == []


REGULAR = {
    "account_id": "1", "campaign_id": "2", "adset_id": "3", "ad_id": "4", "spend": "1.50",
    "impressions": "20", "actions": [{"action_type": "like", "value": "1"}],
    "date_start": "2026-11-19", "date_stop": "2026-11-19", "age": "25-34", "gender": "male",
    HOUR: "13:00:00 - 13:59:59",
}  # fmt: skip
ALMOST_REGULAR: Sequence[Any] = (
    *(None, "", "0", "7", "0.5", "-1", "1\n2", "\n", "1\n", "9" * 19, "\u0661"),
    *(7, 1.5, True, [], ["x"]),
)  # fmt: skip
ALMOST: st.SearchStrategy[Any] = st.sampled_from(ALMOST_REGULAR)


@pytest.mark.parametrize(
    "dataset",
    [daily("ad"), daily("account"), hourly(), broken_down(("age", "gender"))],
    ids=lambda one: one.name,
)
def test_a_page_maps_as_its_rows_do(dataset: Any) -> None:
    names = [*dataset.fields, *dataset.breakdowns, "date_start", "new_field"]
    # Nothing but what is asked for: a row with any other field is mapped by itself.
    asked = {"date_start", "date_stop", *dataset.fields, *dataset.breakdowns}
    regular = {name: value for name, value in REGULAR.items() if name in asked}

    class OfPages(InsightsMapper):
        def row(self, given: Mapping[str, Any]) -> Row | None:
            raise AssertionError("A page of regular rows is mapped at once.")

    assert len(OfPages(dataset, SOURCE, Findings()).rows([regular, regular])) == 2

    @given(st.lists(st.dictionaries(st.sampled_from(names), ALMOST, max_size=1), max_size=3))
    def compare(changes: list[dict[str, Any]]) -> None:
        maps_alike(changes)

    def maps_alike(changes: list[dict[str, Any]]) -> None:
        page = [{**regular, **change} for change in changes]
        whole, single = Findings(), Findings()
        mapper = InsightsMapper(dataset, SOURCE, single)
        one_by_one = [row for one in page if (row := mapper.row(one)) is not None]
        assert InsightsMapper(dataset, SOURCE, whole).rows(page) == one_by_one
        now = SOURCE.data_as_of
        assert whole.rows("act_1", now) == single.rows("act_1", now)

    compare()
    # Each value in each field and place: what is looked at column by column has a first and a last.
    for name, value, place in itertools.product(names, ALMOST_REGULAR, range(3)):
        maps_alike([{name: value} if at == place else {} for at in range(3)])


def test_a_row_that_does_not_fit_costs_itself(warehouse: Warehouse) -> None:
    spec = ENTITY_SPECS[Part.CAMPAIGNS]
    mapper = EntityMapper(spec, Findings())
    rows = [mapper.row({"id": str(n), "name": f"Nr. {n}"}, SOURCE) for n in range(9)]
    rows[4] = (rows[4][0], *rows[4][1:-1], rows[4][-1])
    at = mapper.columns.index("created_time")
    rows[4] = (*rows[4][:at], "no time at all", *rows[4][at + 1 :])
    findings = Findings()
    _write(warehouse, spec, mapper.columns, rows, findings)
    with warehouse.connection() as connection:
        stored = {row[0] for row in connection.execute(f"SELECT campaign_id FROM {spec.table}")}
        (why,) = connection.execute("SELECT reason FROM meta_ads.unrecognized_values").fetchall()
    assert stored == {str(n) for n in range(9)} - {"4"}
    assert why == ("refused_row",)


# -- insights -------------------------------------------------------------------------------------


def test_rows_of_other_days_are_left_out_and_their_days_are_not_marked(small: Lab) -> None:
    """Meta ignores a range it does not like, without a word (FACTS section 5.1)."""
    today = small.today()
    ad = next(iter(small.expected_insights(today - timedelta(days=9), today)))[0]
    elsewhere = {"ad_id": ad, "date_start": "2026-01-01", "date_stop": "2026-01-01", "spend": "1"}
    whole = {"ad_id": ad, "date_start": str(today), "date_stop": "2026-12-01", "spend": "1"}
    newest = str(today - timedelta(days=6))
    small.sim.fail(
        "GET",
        f"{small.account_id}/insights",
        until=lambda call: (
            call.text("level") != "ad" or call.params["time_range"]["since"] < newest
        ),
        times=100,
        with_=answer([elsewhere, whole]),
    )

    record = small.sync()

    assert record.status is Status.PARTIAL
    assert "other days" in (record.error_summary or "")
    assert ("date_start", "filter_ignored") in reasons(small)
    marked = small.query(
        "SELECT max(date_start) AS newest FROM meta_ads.sync_windows WHERE dataset = 'insights_ad'"
    )
    assert marked == [{"newest": today - timedelta(days=7)}], "older days were read all the same"
    stray = "SELECT count(*) FROM meta_ads.meta_insights WHERE date_start < '2026-11-01'"
    assert small.scalar(stray) == 0
    small.sim.faults.clear()
    assert small.sync(force=True).status is Status.SUCCESS
    small.assert_insights(today - timedelta(days=9), today)


def test_a_stray_row_among_good_ones_costs_only_itself(small: Lab) -> None:
    today = small.today()
    some = next(iter(small.expected_insights(today, today).values()))
    good = {**some, "account_id": small.account_id[4:], "campaign_id": "1", "adset_id": "2"}
    odd = [
        {**good, "date_start": "soon"},
        {**good, "date_start": None},
        {key: value for key, value in good.items() if key != "ad_id"},
    ]
    answer_ads(small, [good, *odd])

    record = small.sync(parts=NUMBERS, since=today)

    assert record.status is Status.PARTIAL
    (missing,) = map(str, record.missing)
    assert "not proven by the account's own row" in missing, "the other ads of the day"
    assert {("date_start", "filter_ignored"), ("date_start", "missing_key")} <= reasons(small)
    assert ("ad_id", "missing_key") in reasons(small)


@pytest.mark.parametrize("level", ["ad", "account"])
@pytest.mark.parametrize("written", ["999", 999])
def test_a_row_of_another_ad_account_is_left_out_and_said(
    small: Lab, level: str, written: object
) -> None:
    today = small.today()
    stranger = {
        "account_id": written, "campaign_id": "7", "adset_id": "8", "ad_id": "9", "spend": "3.00",
        "impressions": "40", "date_start": str(today), "date_stop": str(today),
    }  # fmt: skip
    small.sync(parts=ENTITIES)
    small.sim.fail(
        "GET",
        f"{small.account_id}/insights",
        until=lambda request: request.params.get("level") != level,
        with_=Fault.strange_rows(json.dumps(stranger)),
    )

    record = small.sync(parts=NUMBERS, since=today, until=today)

    assert record.status is Status.SUCCESS, record.error_summary
    for each in ("ad", "account"):
        small.assert_insights(today, today, each)
    assert small.scalar("SELECT count(*) FROM meta_ads.meta_insights WHERE entity_id = '9'") == 0
    assert ("account_id", "filter_ignored") in reasons(small)


def test_ids_and_numbers_may_be_numbers(small: Lab) -> None:
    today = small.today()
    row = {
        "ad_id": 12_345, "adset_id": 777, "campaign_id": None, "spend": 1.5, "impressions": 7.0,
        "clicks": None, "reach": "3", "date_start": str(today), "date_stop": str(today),
    }  # fmt: skip
    answer_ads(small, [row])
    small.sim.expect("unknown_object")

    small.sync(parts=NUMBERS, since=today)

    (stored,) = small.query("SELECT * FROM meta_ads.meta_insights WHERE ad_id = '12345'")
    assert (stored["adset_id"], float(stored["spend"]), stored["impressions"]) == ("777", 1.5, 7)


def test_the_same_row_twice_is_one_row(small: Lab) -> None:
    today = small.today()
    row = {"ad_id": "1", "adset_id": "2", "campaign_id": "3", "spend": "1.5",
           "date_start": str(today), "date_stop": str(today)}  # fmt: skip
    answer_ads(small, [row, {**row, "spend": "2"}])
    small.sim.expect("unknown_object")

    small.sync(parts=NUMBERS, since=today)

    stored = small.query("SELECT spend FROM meta_ads.meta_insights WHERE ad_id = '1'")
    assert [float(row["spend"]) for row in stored] == [2.0]


# -- numbers wider than their column --------------------------------------------------------------


def test_any_number_in_an_account_leaves_its_other_fields(small: Lab) -> None:
    for value in (str(width) for width in WIDTHS):
        small.advance(days=1, hours=1)
        named = f"Renamed beside {value}"
        small.world.patch(small.account_id, name=named, account_status=value, disable_reason=value)
        record = small.sync(parts=frozenset({Part.CAMPAIGNS}), force=True)
        assert record.status is Status.SUCCESS, record.error_summary
        assert small.scalar("SELECT name FROM meta_ads.meta_ad_accounts") == named


@pytest.mark.parametrize("edge", ["activities", "recommendations", "opportunity_score_history"])
def test_any_number_and_any_text_leave_the_other_rows_of_an_extra(small: Lab, edge: str) -> None:
    """Each in a row of its own, in every field: none is refused, none is in the way."""
    part = Part.ACTIVITIES if edge == "activities" else Part.RECOMMENDATIONS
    table = {"activities": "meta_activities", "recommendations": "meta_recommendations",
             "opportunity_score_history": "opportunity_scores"}[edge]  # fmt: skip
    small.world.patch(small.account_id, business=ABSENT)
    of: dict[str, dict[str, Any]] = {
        "activities": {"event_time": "2026-11-19T10:00:00+0000", "event_type": "like"},
        "recommendations": {"type": "MUSIC", "object_ids": ["1"]},
        "opportunity_score_history": {"date": "2026-11-18", "opportunity_score": "7"},
    }
    fine = of[edge]
    names = {
        "activities": ["object_id", "actor_id", "extra_data", "object_name", "event_type"],
        "recommendations": ["opportunity_score_lift", "object_ids", "recommendation_stage",
                            "recommendation_time", "url", "recommendation_content", "level"],
        "opportunity_score_history": ["opportunity_score", "changelog", "date"],
    }[edge]  # fmt: skip
    rows: list[Any] = [fine | {name: value} for name in names for value in LIMITS]
    if edge == "recommendations":
        rows = [{"recommendations": rows}]
    small.sim.fail("GET", f"{small.account_id}/{edge}", times=None, with_=answer([*rows, fine]))

    record = small.sync(parts=frozenset({part}), force=True)

    assert record.status is Status.SUCCESS, record.error_summary
    assert small.scalar(f"SELECT count(*) FROM meta_ads.{table}") > 0
    assert small.query(f"{FOUND} WHERE reason = 'refused_row'") == []


def test_counts_of_a_day_that_no_sum_holds_are_none(small: Lab) -> None:
    """Each would fit a bigint column; what changed of a day, and its rollups, add them up."""
    small.sync(parts=ENTITIES)
    day = str(small.today())
    ads = [one.id for one in small.world.objects("ads", small.account_id)][:3]
    most = {"impressions": str(2**63 - 1), "clicks": str(2**62), "reach": 2**62, "spend": "9" * 20,
            "actions": [{"action_type": "purchase", "value": "9" * 40 + "e99"}]}  # fmt: skip
    for spent in ("1", "2"):
        listed = [{"ad_id": ad, "date_start": day, "date_stop": day, **most} for ad in ads]
        listed[0]["spend"] = spent
        small.sim.faults.clear()
        small.sim.fail(
            "GET", f"{small.account_id}/insights", times=None, with_=answer(listed),
            until=lambda request: request.params.get("level") != "ad",
        )  # fmt: skip
        small.sync(parts=NUMBERS, since=small.today(), until=small.today(), force=True)
        small.advance(hours=1)
    small.sim.faults.clear()
    assert small.scalar("SELECT count(*) FROM meta_ads.insights_changes") > 0
    assert ("impressions", "wrong_type") in reasons(small)
    with small.warehouse.connection() as connection:
        assert rollup(connection, small.account_id).days
    assert small.query("SELECT impressions, results FROM meta_ads.daily_campaign_metrics")


def test_names_too_long_for_an_index_leave_the_rollups(small: Lab) -> None:
    adsets = [one.id for one in small.world.objects("adsets", small.account_id)]
    for adset_id, promoted in zip(
        adsets, ({"custom_event_str": LONG}, {"custom_conversion_id": LONG},
                 {"custom_event_type": LONG}), strict=False,
    ):  # fmt: skip
        small.world.patch(adset_id, promoted_object={"pixel_id": "1", **promoted})
    assert small.sync().status is Status.SUCCESS
    with small.warehouse.connection() as connection:
        assert rollup(connection, small.account_id).written["adset"] > 0


EVENTS = (
    "Start Trial", "\u00dcn\u00ef \N{PARTY POPPER}", "a.b", "LEAD", "purchase", "other", "it's",
    "100%", 'quo"te', "x\\y", "{json}", "a,b", "[x]", "%s", "null", "tab\there", "e\u0301",
)  # fmt: skip


def test_custom_events_of_any_name_are_counted_by_it_alone(small: Lab) -> None:
    day = str(small.today() - timedelta(days=1))
    ads = {one.values["adset_id"]: one for one in small.world.objects("ads", small.account_id)}
    want, listed = dict[str, str](), list[Any]()
    for event, (adset_id, ad) in zip(EVENTS, ads.items(), strict=False):
        promoted = {"pixel_id": "1", "custom_event_type": "OTHER", "custom_event_str": event}
        small.world.patch(adset_id, promoted_object=promoted)
        own = f"offsite_conversion.fb_pixel_custom.{event}"
        counted = {
            own: "9",
            "offsite_conversion.fb_pixel_custom": "20",
            "purchase": "1",
            "lead": "4",
        }
        actions = [{"action_type": name, "value": value} for name, value in counted.items()]
        listed.append({
            "ad_id": ad.id, "adset_id": adset_id, "campaign_id": ad.values["campaign_id"],
            "date_start": day, "date_stop": day, "spend": "10", "actions": actions,
        })  # fmt: skip
        want[adset_id] = own
    small.sim.fail(
        "GET", f"{small.account_id}/insights", times=None, with_=answer(listed),
        until=lambda request: request.params.get("level") != "ad",
    )  # fmt: skip
    small.sync()
    small.sim.faults.clear()
    with small.warehouse.connection() as connection:
        rollup(connection, small.account_id)
    found = small.query(
        "SELECT adset_id, result_metric, results FROM meta_ads.daily_adset_metrics "
        "WHERE date_start = %s", day,
    )  # fmt: skip
    assert len(want) > 5
    kept = {row["adset_id"]: (row["result_metric"], row["results"]) for row in found}
    assert {adset_id: kept[adset_id] for adset_id in want} == {
        adset_id: (own, 9) for adset_id, own in want.items()
    }


def test_an_edge_of_one_row_that_does_not_fit_goes_on(warehouse: Warehouse) -> None:
    spec = ENTITY_SPECS[Part.CAMPAIGNS]
    mapper, findings = EntityMapper(spec, Findings()), Findings()
    row = list(mapper.row({"id": "1", "name": "Alone"}, SOURCE))
    row[mapper.columns.index("created_time")] = "no time at all"
    _write(warehouse, spec, mapper.columns, [tuple(row)], findings)
    with warehouse.connection() as connection:
        (why,) = connection.execute("SELECT reason FROM meta_ads.unrecognized_values").fetchall()
    assert why == ("refused_row",)


def test_any_number_as_a_code_of_an_error_is_on_record(small: Lab) -> None:
    logged = "SELECT count(*) FROM meta_ads.meta_api_logs WHERE sync_run_id = %s"
    for code in WIDTHS:
        small.sim.faults.clear()
        error = {"error": {"message": "odd", "code": code, "error_subcode": code}}
        odd = Fault.wrong_shape(json.dumps(error).encode())
        small.sim.fail("GET", "/campaigns", times=100, with_=odd)

        record = small.sync(parts=frozenset({Part.CAMPAIGNS}), force=True)

        assert record.status is Status.FAIL, f"{code}: {record.error_summary}"
        assert small.scalar(logged, record.sync_run_id) == record.meta_call_count_total


# -- entities -------------------------------------------------------------------------------------


def test_rows_without_an_id_are_recorded(small: Lab) -> None:
    rows: list[dict[str, Any]] = [{"name": "nobody"}, {"id": None}, {"id": {"a": 1}}, {"id": ""}]
    small.sim.fail("GET", "/campaigns", times=1, with_=answer(rows))

    record = small.sync(parts=ENTITIES)

    assert record.status is Status.SUCCESS
    assert ("id", "missing_key") in reasons(small)
    assert small.sync(parts=ENTITIES, force=True).status is Status.SUCCESS
    small.assert_entities()


def test_a_status_that_is_no_text_is_recorded(small: Lab) -> None:
    ad = next(iter(small.world.objects("ads", small.account_id)))
    small.world.patch(ad.id, status={"is": "odd"}, configured_status=7)

    record = small.sync(parts=ENTITIES)

    assert record.status is Status.SUCCESS, record.error_summary
    assert {("status", "wrong_type"), ("configured_status", "unknown_enum")} <= reasons(small)


def test_an_empty_listing_by_mistake_deletes_nothing(small: Lab) -> None:
    small.sync()
    small.advance(hours=7)
    small.sim.fail("GET", "/ads", times=1, with_=answer([]))

    record = small.sync()

    assert record.status is Status.SUCCESS, record.error_summary
    small.assert_entities()


def test_a_deletion_that_could_not_be_looked_up_is_looked_up_by_the_next_sync(small: Lab) -> None:
    """The listing counts as done only when what it no longer shows was read by id."""
    small.sync()
    ad = next(
        one
        for one in small.world.objects("ads", small.account_id)
        if one.values["effective_status"] == "PAUSED"
    )
    small.world.vanish(ad.id)
    small.advance(hours=7)
    small.sim.fail("GET", "/", times=9, with_=Fault.http(502))
    small.sim.fail("POST", "/", times=9, with_=Fault.http(502))
    small.sim.expect("unknown_object")

    first = small.sync()

    assert first.status is Status.PARTIAL
    assert not small.stored_entities("ads")[ad.id]["is_deleted"]
    small.sim.faults.clear()
    small.advance(hours=1)
    assert small.sync().status is Status.SUCCESS
    assert small.stored_entities("ads")[ad.id]["is_deleted"]
    small.assert_entities()


def test_what_changes_while_an_edge_is_read_comes_with_the_next_delta(small: Lab) -> None:
    """Read early in a long walk, renamed in its middle, and something newer at its end."""
    ads = [
        one
        for one in small.world.objects("ads", small.account_id)
        if one.values["effective_status"] == "ACTIVE"
    ]

    def meanwhile(sim: Any) -> None:
        sim.clock.advance(60)
        sim.world.rename(ads[0].id, "Renamed after it was read")
        sim.clock.advance(3_600)
        sim.world.rename(ads[-1].id, "Renamed an hour later")

    small.sync(parts=frozenset({Part.ADS}))
    cursor = small.query("SELECT * FROM meta_ads.sync_cursor WHERE edge = 'ads'")[0]
    assert cursor["updated_since"] <= small.clock.now()
    # A page that was given before the renames, as if the rest of the walk had taken an hour.
    small.advance(hours=1)
    stale = {"id": ads[0].id, "name": "as it was", "updated_time": "2026-11-01T00:00:00+0000"}
    started = small.clock.now()
    meanwhile(small.sim)
    fresh = {
        "id": ads[-1].id,
        "name": "Renamed an hour later",
        "updated_time": f"{small.clock.now():%Y-%m-%dT%H:%M:%S}+0000",
    }
    small.sim.fail("GET", "/ads", times=1, with_=answer([stale, fresh]))
    early = small.engine.changed(clock=lambda: started)
    early.sync(SyncRequest(small.account_id, parts=frozenset({Part.ADS})))

    small.advance(hours=1)
    small.sync(parts=ENTITIES)

    assert small.stored_entities("ads")[ads[0].id]["name"] == "Renamed after it was read"


def test_orphans_of_a_sync_that_died_are_filled_by_the_next(small: Lab) -> None:
    class Dead(BaseException):
        pass

    def die(step: Any) -> None:
        if step.message.startswith("insights_ad "):
            raise Dead

    lose_ads(small)
    with pytest.raises(Dead):
        small.engine.sync(SyncRequest(small.account_id, parts=NUMBERS), die)
    assert small.orphans() > 0

    # Nothing of insights is due again in the days that were committed.
    small.sync(parts=NUMBERS)

    assert small.orphans() == 0


def test_an_ad_that_cannot_be_read_just_now_is_not_called_deleted(small: Lab) -> None:
    lose_ads(small)
    small.sim.fail("GET", "/", times=None, with_=Fault.graph_error(100, 33))
    small.sim.fail("POST", "/", times=None, with_=Fault.null_batch_entries(range(50)))

    record = small.sync(parts=NUMBERS)

    assert record.status is Status.PARTIAL
    assert small.stored_entities("ads") == {}
    small.sim.faults.clear()
    assert small.sync(parts=DEFAULT_PARTS, force=True).status is Status.SUCCESS
    small.assert_entities()
    assert small.orphans() == 0


# -- days -----------------------------------------------------------------------------------------


def test_the_last_hours_of_a_day_come_with_the_first_sync_of_the_next(small: Lab) -> None:
    """23:40 in Berlin, then 00:45: yesterday is young and was read an hour ago, yet not whole."""
    small.clock.advance(
        (datetime(2026, 11, 20, 22, 40, tzinfo=UTC) - small.clock.now()).total_seconds()
    )
    small.sync()
    yesterday = small.today()
    small.advance(minutes=65)

    small.sync()

    assert small.today() == yesterday + timedelta(days=1)
    small.assert_insights(yesterday, small.today())


def test_a_range_before_metas_memory_is_no_call_and_a_note(small: Lab) -> None:
    request = SyncRequest(
        small.account_id, parts=NUMBERS, since=date(2020, 1, 1), until=date(2020, 2, 1)
    )
    plan = small.engine.plan(request)
    assert plan.is_empty
    assert any("oldest that Meta keeps" in note for note in plan.notes)
    calls = small.calls()

    record = small.engine.sync(request)

    assert record.status is Status.SUCCESS
    assert small.calls() == calls


def test_the_oldest_day_meta_keeps_is_read(small: Lab) -> None:
    plan = small.engine.plan(SyncRequest(small.account_id, since=date(2020, 1, 1)))
    assert plan.since is not None

    record = small.sync(parts=NUMBERS, since=plan.since, until=plan.since)

    assert record.status is Status.SUCCESS, record.error_summary
    assert plan.since < date(2023, 10, 25)


def test_midnight_during_a_sync_changes_no_days(small: Lab) -> None:
    small.clock.advance(
        (datetime(2026, 11, 20, 22, 59, tzinfo=UTC) - small.clock.now()).total_seconds()
    )
    day = small.today()
    small.sim.fail("GET", "/insights", on_call=1, with_=Fault.slow(120))

    record = small.sync()

    assert record.status is Status.SUCCESS, record.error_summary
    assert small.today() == day + timedelta(days=1)
    marked = small.query("SELECT max(date_start) AS newest FROM meta_ads.sync_windows")
    assert marked == [{"newest": day}]
    small.advance(hours=1)
    small.sync()
    small.assert_insights(day, small.today())


def test_breakdowns_that_may_wait_are_left_out_and_said_so(small: Lab) -> None:
    """The throttle leaves out what can wait, also where its size is not known yet."""
    full = '{"app_id_util_pct":2,"acc_id_util_pct":72,"ads_api_access_tier":"standard_access"}'
    small.sim.fail(
        "GET", "/ads", with_=Fault.headers(x_fb_ads_insights_throttle=full), times=1
    )  # fmt: skip
    small.sync(parts=ENTITIES)

    record = small.sync(
        parts=frozenset({Part.INSIGHTS, Part.BREAKDOWNS}), breakdowns=(("country",),)
    )

    assert record.status is Status.PARTIAL, record.error_summary
    assert any("insights_breakdown: left out" in one for one in map(str, record.missing))
    today = small.today()
    small.assert_insights(today - timedelta(days=9), today)
