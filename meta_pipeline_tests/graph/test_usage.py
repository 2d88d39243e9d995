"""The four usage headers, as documented, as recorded and as they may go wrong (FACTS §1)."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meta_pipeline.graph import parse_usage
from meta_pipeline.graph.usage import usage_headers_of
from meta_pipeline.model.usage import UsageReading, worst_of_each

NOW = datetime(2026, 11, 22, 14, 20, tzinfo=UTC)
APP = "x-app-usage"
ACCOUNT = "x-ad-account-usage"
BUSINESS = "x-business-use-case-usage"
INSIGHTS = "x-fb-ads-insights-throttle"
REACH = "x-fb-ads-insights-reach-throttle"


def readings(name: str, value: object) -> tuple[UsageReading, ...]:
    text = value if isinstance(value, str) else json.dumps(value)
    return parse_usage({name: text}, "act_1", NOW)


def test_app_usage_is_its_worst_percentage() -> None:
    (reading,) = readings(APP, {"call_count": 28, "total_time": 25, "total_cputime": 31})
    assert reading == UsageReading("app", "app", "", 31, NOW, source=APP)


def test_account_usage_resets_in_seconds() -> None:
    value = {
        "acc_id_util_pct": 9.67,
        "reset_time_duration": 100,
        "ads_api_access_tier": "standard_access",
    }
    (reading,) = readings(ACCOUNT, value)
    assert reading == UsageReading(
        "account",
        "act_1",
        "",
        9.67,
        NOW,
        NOW + timedelta(seconds=100),
        "standard_access",
        ACCOUNT,
    )


def test_business_usage_regains_in_minutes_and_has_many_entries() -> None:
    value = {
        "112130216863063": [
            {"type": "ads_insights", "call_count": 1, "estimated_time_to_regain_access": 0},
            {
                "type": "ads_management",
                "call_count": 97,
                "total_cputime": 23,
                "total_time": 123,
                "estimated_time_to_regain_access": 4,
                "ads_api_access_tier": "development_access",
            },
        ],
        "9": [{"type": "invented_2027", "call_count": 12}],
    }
    first, second, third = readings(BUSINESS, value)
    assert first == UsageReading("account", "act_1", "ads_insights", 1, NOW, source=BUSINESS)
    assert (second.usage_pct, second.regain_seconds) == (123, 240)
    assert second.access_tier == "development_access"
    assert (third.use_case, third.key, third.regain_at) == ("invented_2027", "act_1", None)


def test_the_insights_throttle_is_two_readings() -> None:
    app, account = readings(INSIGHTS, {"app_id_util_pct": 0.01, "acc_id_util_pct": 100})
    assert (app.scope, app.usage_pct) == ("insights_app", 0.01)
    assert (account.scope, account.usage_pct) == ("insights_account", 100)


def test_the_reach_throttle_is_read_by_any_percentage() -> None:
    (reading,) = readings(REACH, {"acc_id_reach_util_pct": "55", "other": 99})
    assert (reading.scope, reading.usage_pct) == ("insights_reach", 55)


@pytest.mark.parametrize("value", ["97", " 97 ", "97%", 97, 97.0])
def test_numbers_come_in_many_forms(value: object) -> None:
    assert [reading.usage_pct for reading in readings(APP, {"call_count": value})] == [97]


@pytest.mark.parametrize("value", ["", "many", None, [], {}, True, "nan", "inf", "1e999"])
def test_what_is_no_number_is_no_reading(value: object) -> None:
    assert readings(APP, {"call_count": value}) == ()


def test_one_odd_number_does_not_hide_the_others() -> None:
    assert [
        reading.usage_pct for reading in readings(APP, {"call_count": "?", "total_time": 44})
    ] == [44]


def test_a_block_without_percentages_counts_as_full() -> None:
    (reading,) = readings(BUSINESS, {"1": {"estimated_time_to_regain_access": 5}})
    assert (reading.usage_pct, reading.regain_seconds) == (100, 300)


def test_a_header_sent_twice_is_read_twice() -> None:
    both = readings(APP, '{"call_count":5}, {"call_count":50}')
    assert [reading.usage_pct for reading in worst_of_each(both)] == [50]


@pytest.mark.parametrize(
    "text", ["", "{", "null", "7", '"x"', "[]", "[1]", "<html>", '{"1":null}', '{"1":[null,"x"]}']
)
@pytest.mark.parametrize("name", [APP, ACCOUNT, BUSINESS, INSIGHTS, REACH])
def test_malformed_headers_are_no_readings(name: str, text: str) -> None:
    assert readings(name, text) == ()


def test_headers_are_found_in_any_case() -> None:
    found = usage_headers_of(
        [("X-App-Usage", "{}"), ("X-FB-ADS-INSIGHTS-THROTTLE", "{}"), ("A", "")]
    )
    assert set(found) == {APP, INSIGHTS}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "call_count",
                    "total_time",
                    "type",
                    "acc_id_util_pct",
                    "reset_time_duration",
                    "estimated_time_to_regain_access",
                    "app_id_util_pct",
                    "x_pct",
                    "123",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from([APP, ACCOUNT, BUSINESS, INSIGHTS, REACH]), json_values | st.text())
@example(BUSINESS, {"1": {"estimated_time_to_regain_access": 8e-26}})
@example(ACCOUNT, {"acc_id_util_pct": 1, "reset_time_duration": 1e-9})
def test_any_header_is_read_without_complaint(name: str, value: object) -> None:
    for reading in readings(name, value):
        assert math.isfinite(reading.usage_pct)
        assert reading.usage_pct >= 0
        assert reading.regain_seconds is None or reading.regain_seconds > 0


entries = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["ads_insights", "ads_management", "pages"]),
        "call_count": st.integers(0, 250),
        "total_time": st.integers(0, 250),
    }
)
business_headers = st.dictionaries(
    st.sampled_from(["1", "2", "3"]), st.lists(entries, min_size=1, max_size=3), min_size=1
)


@given(st.lists(business_headers, min_size=1, max_size=4), st.sampled_from(["act_1", "act_7"]))
def test_of_several_readings_the_worst_of_each_meter_is_left(
    several: list[dict[str, list[dict[str, object]]]], account_id: str
) -> None:
    """Operations of one batch tell of the same meters at the same moment."""
    every = [
        reading
        for header in several
        for reading in parse_usage({BUSINESS: json.dumps(header)}, account_id, NOW)
    ]
    left = {reading.meter: reading.usage_pct for reading in worst_of_each(every)}
    for meter, pct in left.items():
        assert pct == max(each.usage_pct for each in every if each.meter == meter)
    assert set(left) == {reading.meter for reading in every}


@given(business_headers)
def test_keys_are_accounts_only_where_the_own_one_is_among_them(
    header: dict[str, list[dict[str, object]]],
) -> None:
    found = parse_usage({BUSINESS: json.dumps(header)}, "act_1", NOW)
    expected = {f"act_{key}" for key in header} if "1" in header else {"act_1"}
    assert {reading.key for reading in found} == expected
    assert {r.key for r in parse_usage({BUSINESS: json.dumps(header)}, None, NOW)} == {""}


@pytest.mark.parametrize("name", ["x" * 4_000, "a\\u0000b", "\\u0000"])
def test_names_of_meters_can_be_kept(name: str) -> None:
    text = f'{{"{name}":[{{"type":"{name}","call_count":1e300,"ads_api_access_tier":"{name}"}}]}}'
    (reading,) = parse_usage({BUSINESS: text}, None, NOW)
    for kept in (reading.key, reading.use_case, reading.access_tier or ""):
        assert len(kept) <= 200
        assert "\x00" not in kept
        kept.encode()
    assert reading.usage_pct < 1e10
