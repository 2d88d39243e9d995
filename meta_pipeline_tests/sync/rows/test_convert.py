"""Meta's values to ours, one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.sync.rows import convert
from meta_pipeline.sync.rows.convert import Unfit
from meta_pipeline.sync.rows.describe import goal_of, summarise_targeting
from meta_pipeline.sync.rows.entity_mapping import Source
from meta_pipeline.sync.rows.fields import CAMPAIGNS, ENTITY_SPECS
from meta_pipeline.sync.rows.unrecognized import Findings, Reason


@pytest.mark.parametrize(
    ("currency", "minor", "major"),
    [
        ("USD", "500", "5"),
        ("EUR", 1, "0.01"),
        ("JPY", "500", "500"),
        ("HUF", "12345", "12345"),
        ("TWD", "99", "99"),
    ],
)
def test_minor_units_become_major(currency: str, minor: Any, major: str) -> None:
    assert convert.amount(minor, currency) == Decimal(major)


@pytest.mark.parametrize("currency", ["XXQ", "eur", "", None])
def test_an_amount_of_an_unknown_currency_is_not_divided(currency: str | None) -> None:
    with pytest.raises(convert.UnknownCurrency):
        convert.amount("500", currency)


def test_a_budget_of_zero_is_none() -> None:
    assert convert.cap("0", "USD") is None
    assert convert.cap("1", "USD") == Decimal("0.01")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2023-03-21T22:41:46-0700", datetime(2023, 3, 22, 5, 41, 46, tzinfo=UTC)),
        ("2023-03-17t08:04:29 0000", datetime(2023, 3, 17, 8, 4, 29, tzinfo=UTC)),
        ("2023-03-13T13:30:47+0000", datetime(2023, 3, 13, 13, 30, 47, tzinfo=UTC)),
        (1734947501, datetime(2024, 12, 23, 9, 51, 41, tzinfo=UTC)),
        ("1969-12-31T15:59:59-0800", None),
        (0, None),
    ],
)
def test_times_are_utc_and_the_epoch_is_none(given: Any, expected: datetime | None) -> None:
    assert convert.moment(given, None) == expected


@given(
    st.timedeltas(timedelta(0), timedelta(days=3)),
    st.booleans(),
    st.integers(-1_439, 1_439),
    st.sampled_from(["Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin", "UTC"]),
)
def test_a_time_at_either_end_of_the_calendar_is_none_or_one_of_every_zone(
    inside: timedelta, is_first: bool, offset_minutes: int, zone_name: str
) -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    at = first + inside if is_first else last - inside
    written = at.replace(tzinfo=timezone(timedelta(minutes=offset_minutes))).isoformat()
    source = Source("act_1", "EUR", zone_name, datetime(2026, 11, 20, tzinfo=UTC), "0" * 32)
    source.weigh_time(written)
    for value in (written, at.timestamp()):
        if known := convert.moment_or_none(value):
            assert known.astimezone(ZoneInfo(zone_name)).astimezone(UTC) == known


@pytest.mark.parametrize(
    ("converter", "value"),
    [
        (convert.moment, "yesterday"),
        (convert.moment, ["2023"]),
        (convert.amount, "ten"),
        (convert.amount, "NaN"),
        (convert.amount, True),
        (convert.whole, "1.5"),
        (convert.flag, "true"),
        (convert.text, {"a": 1}),
        (convert.structure, "text"),
        (convert.linked_id, "1"),
    ],
)
def test_what_does_not_fit_says_so(converter: convert.Converter, value: Any) -> None:
    with pytest.raises(Unfit):
        converter(value, "USD")


def test_every_objective_known_has_a_goal() -> None:
    (objective,) = [one for one in CAMPAIGNS.fields if one.name == "objective"]
    assert objective.known
    assert all(goal_of({"objective": name}) for name in objective.known)


@pytest.mark.parametrize(
    ("targeting", "expected"),
    [
        (None, None),
        ({}, "everybody"),
        (
            {
                "geo_locations": {"countries": ["AU", "NZ"], "cities": [{"name": "Perth"}]},
                "age_min": 25,
                "age_max": 44,
                "genders": [2],
                "flexible_spec": [{"interests": [{"id": "1"}, {"id": "2"}]}],
                "publisher_platforms": ["facebook"],
            },
            "AU, NZ, Perth · 25-44 · women · 2 interests · facebook",
        ),
        ({"geo_locations": "nonsense", "age_min": 21}, "21-65"),
        ({"geo_locations": {"countries": list("ABCDE")}}, "A, B, C and 2 more"),
    ],
)
def test_targeting_in_one_line(targeting: Any, expected: str | None) -> None:
    assert summarise_targeting({"targeting": targeting}) == expected


def test_every_field_has_a_column_of_its_table() -> None:
    for spec in ENTITY_SPECS.values():
        columns = set(spec.table.c.keys())
        assert {field.column for field in spec.fields} <= columns
        assert set(spec.derived) <= columns
        assert set(spec.cheap) <= {field.name for field in spec.fields}


def test_findings_are_counted_and_bounded() -> None:
    findings = Findings()
    for number in range(3_000):
        findings.note("ads", "name", f"value {number}", Reason.WRONG_TYPE)
    findings.note("ads", "name", "value 1", Reason.WRONG_TYPE)
    now = datetime(2026, 11, 20, tzinfo=UTC)
    found = findings.rows("act_1", now)
    assert sum(one.count for one in found) == 3_001
    assert len(found) <= 1_001
    assert findings.rows("act_1", now) == []
