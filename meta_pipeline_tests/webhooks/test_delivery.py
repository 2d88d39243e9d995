"""A delivery as rows: Meta's payloads, odd ones, hostile ones; nothing is lost, nothing breaks."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta_pipeline.model.part import Part
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.webhooks import Unreadable, changes_of, is_signed, named_objects
from meta_pipeline_tests.webhooks.deliveries import SECRET, changed, envelope, signature

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
NUMBERS = st.integers() | st.floats() | st.integers(-(10**4000), 10**4000)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_a_change_told_again_in_another_order_of_keys_is_the_same() -> None:
    (one,) = changes_of(envelope({"field": "x", "value": {"a": 1, "b": "é"}}))
    (two,) = changes_of(envelope({"value": {"b": "\u00e9", "a": 1}, "field": "x"}))
    assert one == two
    assert (one.account_id, one.field) == ("act_1", "x")
    assert one.occurred_at == datetime(2026, 6, 30, 23, 28, 37, tzinfo=UTC)
    hashes = {
        one.change_hash,
        changes_of(envelope({"field": "y", "value": {"a": 1, "b": "é"}}))[0].change_hash,
        changes_of(envelope({"field": "x", "value": {"a": 2, "b": "é"}}))[0].change_hash,
        changes_of(envelope({"field": "x", "value": {"a": 1, "b": "é"}}, time=5))[0].change_hash,
        changes_of(envelope({"field": "x", "value": {"a": 1, "b": "é"}}, account="2"))[
            0
        ].change_hash,
    }
    assert len(hashes) == 5


@pytest.mark.parametrize(
    "body",
    [b"", b"nothing", b"[]", b'"x"', b"{}", b'{"entry": 1}', b"\xff\xfe", b"[" * 100_000],
    ids=["empty", "text", "list", "string", "no entry", "entry 1", "no utf-8", "deep"],
)
def test_what_is_no_delivery_says_why(body: bytes) -> None:
    with pytest.raises(Unreadable):
        changes_of(body)


@settings(max_examples=60)
@given(JSON, JSON, JSON)
def test_any_shape_is_kept_and_is_the_same_when_it_comes_again(
    keeper: Warehouse, one: Any, two: Any, three: Any
) -> None:
    given_entries = [
        one,
        {"id": two, "time": three, "changes": one},
        {"id": "1", "time": 1, "changes": [one, {"field": "new_field", "value": two}, three]},
    ]
    body = json.dumps({"object": two, "entry": given_entries}).encode("utf-8", "surrogatepass")
    try:
        rows = changes_of(body)
    except Unreadable:
        assert any(isinstance(x, float) for x in _leaves([one, two, three])), "only no number"
        return
    assert any(row.field == "new_field" for row in rows)
    keeper.webhooks.keep(rows, NOW)
    assert keeper.webhooks.keep(changes_of(body), NOW) == 0


def _leaves(value: Any) -> Any:
    if isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    elif isinstance(value, dict):
        yield from _leaves(list(value.values()))
    else:
        yield value


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("with_issues_ad_objects", {"id": "5", "level": "AD"}, [(Part.ADS, "5")]),
        ("in_process_ad_objects", {"id": "5", "level": "AD_SET"}, [(Part.ADSETS, "5")]),
        ("in_process_ad_objects", {"id": "5", "level": "CREATIVE"}, [(Part.CREATIVES, "5")]),
        ("field_changed", {"object_id": "5", "object_type": "campaign"}, [(Part.CAMPAIGNS, "5")]),
        ("field_changed", {"object_id": "5", "object_type": "adset"}, [(Part.ADSETS, "5")]),
        ("subscriptions", {"object_id": 5, "object_type": "CAMPAIGN"}, [(Part.CAMPAIGNS, "5")]),
        ("creative_fatigue", {"adgroup_id": "5", "ad_account_id": "1"}, [(Part.ADS, "5")]),
        ("ad_recommendations", {"ad_object_ids": ["5", 6, "x"]}, [(None, "5"), (None, "6")]),
        ("product_set_issue", {"product_set_id": "5"}, []),
        ("of_tomorrow", {"id": "5", "level": "AD"}, []),
        ("field_changed", {"object_id": "5", "object_type": "galaxy"}, []),
        ("field_changed", {"object_id": True, "object_type": "ad"}, []),
        ("field_changed", {"object_id": "\u0665", "object_type": "ad"}, []),
        ("field_changed", {"object_id": ["5"], "object_type": "ad"}, []),
        ("field_changed", "5", []),
        ("ad_recommendations", {"ad_object_ids": "5"}, []),
    ],
)
def test_what_each_field_names(field: str, value: Any, named: list[Any]) -> None:
    assert list(named_objects(field, value)) == named


def test_a_signature_is_of_the_bytes_and_of_one_of_the_secrets() -> None:
    body = envelope(changed("5"))
    header = signature(body)["X-Hub-Signature-256"]
    assert is_signed(body, header, [SECRET])
    assert is_signed(body, header, ["another", SECRET])
    assert is_signed(
        body, header.replace("sha256=", "sha256=").upper().replace("SHA256=", "sha256="), [SECRET]
    )
    for wrong in (None, "", "sha1=1", header[:-1], header + "0", "sha256=", "sha256=é"):
        assert not is_signed(body, wrong, [SECRET])
    assert not is_signed(body + b" ", header, [SECRET])
    assert not is_signed(body, header, ["another"])
    assert not is_signed(body, header, [])
