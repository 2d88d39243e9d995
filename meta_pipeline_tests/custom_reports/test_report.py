"""Custom reports as people write them: what is taken, what is refused, and with which words."""

from __future__ import annotations

import os
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.custom_reports import PRESETS, CustomReport, ReportsError, load, parse
from meta_pipeline.custom_reports.columns import ColumnType, columns_of
from meta_pipeline.custom_reports.combinations import HOURLY
from meta_pipeline.custom_reports.contract import (
    BREAKDOWNS,
    FIELDS,
    GIVEN,
    REFUSED,
    FieldKind,
    kind_of,
)
from meta_pipeline.custom_reports.periods import Increment, last_of, start_of, starts
from meta_pipeline.custom_reports.presets import as_yaml
from meta_pipeline.model.insights_column import INSIGHTS_COLUMNS, Shape
from meta_pipeline_tests.custom_reports.sdk import FILE, of_sdk

HOUR = "hourly_stats_aggregated_by_advertiser_time_zone"


def test_the_tables_are_those_of_the_installed_sdk() -> None:
    assert orjson.loads(FILE.read_bytes()) == of_sdk(), (
        "write it anew: python -m meta_pipeline_tests.custom_reports.sdk"
    )


def test_what_is_a_number_is_typed_as_one() -> None:
    typed = {name: kind_of(name) for name in FIELDS}
    assert typed["impressions"] is FieldKind.COUNT
    assert typed["spend"] is FieldKind.DECIMAL
    assert typed["cost_per_inline_link_click"] is FieldKind.DECIMAL
    assert typed["actions"] is FieldKind.ACTIONS
    assert typed["results"] is FieldKind.JSON
    words = ("name", "ranking", "objective", "goal", "setting", "label", "currency", "created")
    for name, kind in typed.items():
        if any(word in name for word in words) and FIELDS[name] == "string":
            assert kind is FieldKind.TEXT, name


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_report_and_its_yaml_the_same_one(name: str) -> None:
    (report,) = parse(f"reports: [{{preset: {name}}}]")
    (written,) = parse(as_yaml(name))
    assert report == written
    assert report.description


def test_what_is_said_beside_a_preset_replaces_it(tmp_path: Path) -> None:
    file = tmp_path / "reports.yaml"
    file.write_text(
        "reports:\n"
        "  - preset: age_gender\n"
        "    name: who\n"
        "    level: campaign\n"
        "    accounts: [act_1]\n"
        "  - name: spend_of_brand\n"
        "    level: campaign\n"
        "    fields: [campaign_id, campaign_name, spend]\n"
        "    time_increment: monthly\n"
        "    filters: [{field: campaign.name, operator: CONTAIN, value: brand}]\n"
    )
    who, brand = load(file)
    assert (who.level, who.breakdowns, who.name) == ("campaign", ("age", "gender"), "who")
    assert who.is_for("act_1")
    assert not who.is_for("act_2")
    assert brand.is_for("act_2")
    assert brand.fields == ("campaign_name", "spend"), "ids come by themselves"
    assert brand.filters[0].as_meta()["value"] == "brand"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("fields: [impresions]", "did you mean impressions"),
        ("fields: [spend, age]", "write it under breakdowns"),
        ("fields: [objective_results]", "write results"),
        ("fields: [wish_bid]", "take it out"),
        ("fields: [campaign_id]", "name a metric too"),
        ("fields: []", "fields"),
        ("fields: [spend, ad_name], level: campaign", "`level: ad`"),
        ("fields: spend, level: adgroup", "level"),
        ("fields: spend, breakdowns: [gendr]", "did you mean gender"),
        ("fields: spend, breakdowns: dma", "write comscore_market"),
        ("fields: spend, breakdowns: [age, country]", "not known to go together"),
        ("fields: spend, breakdowns: impression_device", "add publisher_platform"),
        (f"fields: [reach], breakdowns: {HOUR}", "by hour Meta has no reach"),
        (f"fields: [video_play_actions], breakdowns: {HOUR}", "by hour Meta has no video_play"),
        ("fields: spend, action_breakdowns: action_device", "add actions"),
        (
            "fields: actions, breakdowns: age, action_breakdowns: [action_type, action_reaction]",
            "take one of the two out",
        ),
        ("fields: spend, attribution_windows: 7d_view", "nothing of it since 2026-01-12"),
        ("fields: spend, attribution_windows: 2d_click", "did you mean"),
        ("fields: spend, time_increment: 30", "time_increment"),
        ("fields: spend, span_days: 7", "take it out"),
        ("fields: spend, time_increment: all_days, backfill_days: 7", "write span_days"),
        ("fields: spend, accounts: [123]", "accounts"),
        ("fields: spend, accounts: act_x", "act_1, act_2"),
        ("fields: spend, cadence: often", "length of time"),
        ("fields: spend, restatement: '28:7d,3:6h'", "must rise"),
        ("fields: spend, breakdown: age", "a report has name, level"),
        ("fields: spend, filters: [{field: created_time, operator: EQUAL, value: 1}]", "silence"),
        ("fields: spend, filters: [{field: ad.id, operator: IN, value: '1'}]", "takes a list"),
        ("fields: spend, filters: [{field: ad.id, operator: EQUALS, value: '1'}]", "EQUAL"),
        ("fields: spend, name: A-b", "is no name"),
        ("preset: agegender", "did you mean age_gender"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_change(said: str, told: str) -> None:
    text = said if "name:" in said.replace("_name", "") else f"name: mine, {said}"
    with pytest.raises(ReportsError) as found:
        parse(f"reports: [{{{text}}}]", "reports.yaml")
    assert told in str(found.value)
    assert str(found.value).startswith("reports.yaml: report ")


_NESTED = "[" * 5_000
ODD_FILES = (
    "reports: [{1: 2}]", "reports: [{preset: [a]}]", "reports: [{preset: {a: 1}}]",
    "reports: [{name: 2026-99-99}]", "reports: [{name: !!int 'x'}]", "reports: [{null: x}]",
    "reports: [{name: !!timestamp 'x'}]", "reports: [{name: !!python/object:os.system x}]",
    "reports: [{name: x, fields: &f [*f]}]", "reports: &r [*r]", "{[a]: 1}", "reports: [{<<: 7}]",
    f"reports: {_NESTED}", "reports: [{name: .nan, fields: [.inf]}]", "x" * 1_000_001, "\0",
)  # fmt: skip


@pytest.mark.parametrize("text", ODD_FILES, ids=lambda text: text[:40])
def test_a_file_of_any_shape_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "reports.yaml"
    file.write_text(text)
    with pytest.raises(ReportsError, match=r"reports\.yaml"):
        load(file)


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "reports.yaml"
    file.write_text("reports: [{name: a, fields: spend}]\n", encoding="utf-8-sig")
    assert [report.name for report in load(file)] == ["a"]


def test_a_pipe_is_no_file_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "reports.yaml")
    for odd in (tmp_path / "reports.yaml", tmp_path):
        with pytest.raises(ReportsError, match="is no file"):
            load(odd)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "list of reports"),
        ("- name: a", "list of reports"),
        ("reports: {}", "list of reports"),
        ("reports: [1]", "not a mapping"),
        ("reports:\n  - name: [", "line 2 is no YAML"),
        ("reports: [{name: a, fields: spend}, {name: a, fields: clicks}]", "twice"),
    ],
)
def test_a_file_that_is_none(text: str, told: str) -> None:
    with pytest.raises(ReportsError, match=told):
        parse(text)


def test_every_problem_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ReportsError) as found:
        parse("reports: [{name: a, fields: spent}, {name: b, fields: spend, breakdowns: aeg}]")
    assert "report a:" in str(found.value)
    assert "report b:" in str(found.value)
    with pytest.raises(ReportsError, match="META_REPORTS_FILE"):
        load(tmp_path / "none.yaml")
    (tmp_path / "odd.yaml").write_bytes(b"reports: \xff")
    with pytest.raises(ReportsError, match="UTF-8"):
        load(tmp_path / "odd.yaml")


def test_a_combination_that_is_not_listed_can_be_asked_for() -> None:
    (report,) = parse(
        "reports: [{name: a, fields: spend, breakdowns: [age, country],"
        " unlisted_combination: true}]"
    )
    assert any("not checked" in one for one in report.warnings())


@given(st.sampled_from(sorted(BREAKDOWNS)))
def test_no_breakdown_is_a_column_that_a_report_has_anyway(name: str) -> None:
    assert name not in GIVEN
    assert name not in ("currency", "data_as_of")


@given(
    st.sampled_from(("account", "campaign", "adset", "ad")),
    st.lists(st.sampled_from(sorted(FIELDS.keys() - GIVEN)), min_size=1, max_size=30),
    st.sets(st.sampled_from(sorted(BREAKDOWNS - FIELDS.keys())), max_size=3),
)
def test_every_column_is_there_once_and_the_key_is_first(
    level: str, fields: list[str], breakdowns: set[str]
) -> None:
    finer = ("account", "campaign", "adset", "ad").index(level) + 1
    names = {f"{one}_name" for one in ("account", "campaign", "adset", "ad")[finer:]}
    report = CustomReport.model_validate(
        {
            "name": "any",
            "level": level,
            "fields": ["spend", *(name for name in fields if name not in names)],
            "breakdowns": sorted(breakdowns - HOURLY),
            "unlisted_combination": True,
        }
    )
    columns = columns_of(report)
    found = [one.name for one in columns]
    assert len(set(found)) == len(found)
    keys = [one for one in columns if one.is_key]
    assert list(columns[: len(keys)]) == keys
    assert {*report.fields, *report.breakdowns} <= {*found}
    assert all(one.comment for one in columns)
    assert all(one.type in (ColumnType.TEXT, ColumnType.DATE) for one in keys)


@given(
    st.sampled_from((1, 7, "monthly")),
    st.dates(date(2024, 1, 1), date(2027, 12, 31)),
    st.integers(0, 400),
)
def test_periods_cover_the_days_without_gap_and_without_overlap(
    increment: Increment, since: date, days: int
) -> None:
    until = since + timedelta(days=days)
    found = starts(increment, since, until)
    assert found[0] <= until <= last_of(increment, found[0])
    assert found[-1] <= since <= last_of(increment, found[-1])
    for newer, older in pairwise(found):
        assert last_of(increment, older) + timedelta(days=1) == newer
    assert all(start_of(increment, one) == one for one in found)


def test_a_rolling_span_is_one_period() -> None:
    until = date(2026, 11, 28)
    assert starts("all_days", date(2026, 1, 1), until, 28) == [date(2026, 11, 1)]
    assert last_of("all_days", date(2026, 11, 1), 28) == until
    assert REFUSED


def test_columns_of_ads_manager_are_of_one_kind_everywhere() -> None:
    kinds = {
        Shape.TEXT: FieldKind.TEXT,
        Shape.COUNT: FieldKind.COUNT,
        Shape.ACTIONS: FieldKind.ACTIONS,
        Shape.OBJECTS: FieldKind.JSON,
    }
    assert {one.name: kind_of(one.name) for one in INSIGHTS_COLUMNS} == {
        one.name: kinds[one.shape] for one in INSIGHTS_COLUMNS
    }
