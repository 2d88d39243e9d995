"""Charts: right places, round axes, nothing that text could break."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.reports.chart import (
    Bar,
    Series,
    Threshold,
    axis,
    bars,
    columns,
    lines,
    time_ticks,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def tree(markup: str) -> ET.Element:
    return ET.fromstring(markup)


@given(st.floats(min_value=1e-6, max_value=1e12))
def test_levels_are_few_round_and_reach_the_highest(highest: float) -> None:
    levels = axis(highest)
    assert levels[0] == 0
    assert levels[-1] >= highest * (1 - 1e-6)
    assert 2 <= len(levels) <= 6
    assert levels == sorted(levels)


@pytest.mark.parametrize(
    ("highest", "levels"),
    [(107, [0, 50, 100, 150]), (100, [0, 25, 50, 75, 100]), (0.9, [0, 0.25, 0.5, 0.75, 1.0]),
     (0, [0, 1]), (float("nan"), [0, 1])],
)  # fmt: skip
def test_levels(highest: float, levels: list[float]) -> None:
    assert axis(highest) == levels


@given(st.integers(1, 90 * 86_400))
def test_times_are_within_and_few(seconds: int) -> None:
    until = NOON + timedelta(seconds=seconds)
    ticks = time_ticks(NOON, until)
    assert len(ticks) <= 7
    assert all(NOON <= at <= until for at, _ in ticks)
    assert len({text for _, text in ticks}) == len(ticks), "every tick says something else"


@pytest.mark.parametrize(
    ("span", "texts"),
    [
        (timedelta(seconds=20), ["12:00:00", "12:00:05", "12:00:10", "12:00:15", "12:00:20"]),
        (timedelta(hours=3), ["12:00", "12:30", "13:00", "13:30", "14:00", "14:30", "15:00"]),
        (timedelta(days=3), ["22 Nov 12:00", "23 Nov 00:00", "23 Nov 12:00", "24 Nov 00:00",
                             "24 Nov 12:00", "25 Nov 00:00", "25 Nov 12:00"]),
    ],
)  # fmt: skip
def test_times_of_a_span(span: timedelta, texts: list[str]) -> None:
    assert [text for _, text in time_ticks(NOON, NOON + span)] == texts


def test_lines_are_where_the_numbers_are() -> None:
    hour = timedelta(hours=1)
    points = [(NOON, 0.0), (NOON + hour, 100.0), (NOON + 2 * hour, 50.0)]
    drawn = lines("Usage", [Series("app", points)], thresholds=[Threshold("stop", 80)], unit=" %")
    (path,) = re.findall(r'class="s0 stroke" d="([^"]+)"', drawn)
    assert path == "M0.0 300.0L500.0 0.0L1000.0 150.0"
    assert 'class="threshold" d="M0 60.0H1000"' in drawn
    assert "<b>stop </b>80 %</span>" in drawn
    assert drawn.count('class="dot s0"') == 3
    tree(drawn)


def test_what_is_not_known_is_not_drawn() -> None:
    """Hourly readings, none for a night, hourly again: two pieces, no line through the night."""
    hours = [0, 1, 2, 3, 12, 13, 14, 24]
    points = [(NOON + timedelta(hours=hour), 5.0) for hour in hours]
    (path,) = re.findall(r'stroke" d="([^"]+)"', lines("Usage", [Series("app", points)]))
    assert path.count("M") == 3


def test_one_reading_is_a_dot_in_the_middle() -> None:
    drawn = lines("Usage", [Series("app", [(NOON, 3.0)])])
    assert "left:50.00%" in drawn


def test_nothing_to_draw_is_nothing() -> None:
    assert lines("Usage", [Series("app", [])]) == ""
    assert bars("Calls", []) == ""
    assert bars("Calls", [Bar("a", (0.0,), "0")]) == ""
    assert columns("Calls", [Bar("00", (0.0, 0.0), "no calls")]) == ""


def test_bars_share_one_scale_and_stack() -> None:
    drawn = tree(bars("Calls", [Bar("a", (30, 10), "40"), Bar("b", (20, 0), "20")], names="xy"))
    rects = [[dict(rect.attrib) for rect in svg.iter("rect")] for svg in drawn.iter("svg")][2:]
    assert [(one["x"], one["width"]) for one in rects[0]] == [
        ("0.000%", "75.000%"),
        ("75.000%", "25.000%"),
    ]
    assert [(one["x"], one["width"]) for one in rects[1]] == [("0.000%", "50.000%")]


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co", "Cn"])))
def test_names_are_text_and_never_markup(name: str) -> None:
    hostile = f"{name}<script>\"&'"
    drawn = bars(hostile, [Bar(hostile, (1.0,), hostile)], names=[hostile])
    drawn += lines(hostile, [Series(hostile, [(NOON, 1.0)])], thresholds=[Threshold(hostile, 1)])
    drawn += columns(hostile, [Bar(hostile, (1.0,), hostile)])
    assert "<script>" not in drawn
    found = tree(f"<div>{drawn}</div>")
    assert hostile in "".join(found.itertext())
