"""The shape of a query: equal where the cost is, different where it is not."""

from __future__ import annotations

import pytest

from meta_pipeline.graph.query_shape import encode_params, params_hash, query_shape

BASE = {
    "level": "ad",
    "time_increment": 1,
    "time_range": {"since": "2026-11-01", "until": "2026-11-07"},
    "fields": ["ad_id", "spend", "actions"],
    "breakdowns": ["gender", "age"],
    "action_attribution_windows": ["7d_click", "1d_view"],
    "filtering": [{"field": "ad.effective_status", "operator": "IN", "value": ["ACTIVE"]}],
    "limit": 500,
}


def same(**changed: object) -> bool:
    return params_hash("insights_ad", BASE) == params_hash("insights_ad", {**BASE, **changed})


def test_a_shape_reads_in_a_few_words() -> None:
    assert query_shape(BASE) == (
        "level=ad increment=1 days=7 fields=3 breakdowns=age,gender "
        "action_attribution_windows=1d_view,7d_click filtering=ad.effective_status:IN"
    )
    assert query_shape({"limit": 5}) == "plain"
    assert query_shape({"fields": "id,name", "date_preset": "last_7d"}) == "preset=last_7d fields=2"


@pytest.mark.parametrize(
    "changed",
    [
        {"limit": 25},
        {"time_range": {"since": "2025-01-01", "until": "2025-01-07"}},
        {"time_range": '{"since":"2025-01-01","until":"2025-01-07"}'},
        {"fields": ["actions", "spend", "ad_id"]},
        {"fields": "actions,spend,ad_id"},
        {"breakdowns": ["age", "gender"]},
        {"filtering": [{"field": "ad.effective_status", "operator": "IN", "value": ["PAUSED"]}]},
        {"sort": None},
    ],
)
def test_what_costs_alike_has_one_hash(changed: dict[str, object]) -> None:
    assert same(**changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"level": "account"},
        {"time_increment": "all_days"},
        {"time_range": {"since": "2026-11-01", "until": "2026-11-08"}},
        {"fields": ["ad_id", "spend"]},
        {"breakdowns": ["age"]},
        {"breakdowns": None},
        {"action_attribution_windows": ["7d_click"]},
        {"filtering": []},
        {"date_preset": "last_7d"},
        {"summary": True},
    ],
)
def test_what_costs_otherwise_has_another(changed: dict[str, object]) -> None:
    assert not same(**changed)


def test_the_endpoint_is_part_of_the_shape() -> None:
    assert params_hash("ads_list", {"fields": "id"}) != params_hash(
        "campaigns_list", {"fields": "id"}
    )


def test_secrets_are_in_no_shape() -> None:
    params = {"input_token": "EAABsecret", "client_secret": "x", "after": "cursor"}
    assert query_shape(params) == "plain"
    other = {"input_token": "EAABother", "client_secret": "y", "after": "other"}
    assert params_hash("debug_token", params) == params_hash("debug_token", other)


@pytest.mark.parametrize(
    "odd",
    [
        {"time_range": "nonsense"},
        {"time_range": {"since": "x"}},
        {"time_range": [1]},
        {"filtering": "nonsense"},
        {"filtering": {"field": "x"}},
        {"time_ranges": [{"since": "2026-01-02", "until": "2026-01-01"}]},
        {"fields": None},
    ],
)
def test_odd_parameters_still_have_a_shape(odd: dict[str, object]) -> None:
    assert query_shape(odd)
    assert params_hash("x", odd)


def test_several_ranges_add_up() -> None:
    ranges = [{"since": "2026-01-01", "until": "2026-01-02"}] * 3
    assert query_shape({"time_ranges": ranges}) == "days=6"


def test_what_cannot_be_a_parameter_is_an_error() -> None:
    with pytest.raises(TypeError):
        encode_params({"filtering": [object()]})


def test_sets_are_sent_in_order() -> None:
    assert encode_params({"effective_status": {"PAUSED", "ACTIVE"}}) == {
        "effective_status": '["ACTIVE","PAUSED"]'
    }
