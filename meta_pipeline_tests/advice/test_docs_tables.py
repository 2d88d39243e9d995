"""The tables of docs/advice.md are those that the benchmark makes; its figures are its own."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from benchmarks import advice_backtest as bench
from benchmarks import advice_rules as planted
from meta_pipeline.advice import Kind, Thresholds

PAGE = (Path(__file__).parents[2] / "docs" / "advice.md").read_text(encoding="utf-8")


def test_every_planted_world_has_its_row() -> None:
    head, *rows = bench.table_in(PAGE, "worlds")
    assert head == ["rule", "world", "said", "median day", "limit"]
    made = [[one.rule.__name__, one.name] for one in (*planted.EQUAL, *planted.PLANTED)]
    assert [row[:2] for row in rows] == made


def test_every_threshold_has_its_values_and_the_shipped_one_is_marked() -> None:
    head, *rows = bench.table_in(PAGE, "thresholds")
    assert head == [
        *("threshold", "value", "false alarms", "found", "median day", "lost by waiting")
    ]
    shipped = {one.name: one.default for one in fields(Thresholds)}
    made = [
        [one.threshold, f"**{value:g}**" if value == shipped[one.threshold] else f"{value:g}"]
        for one in bench.CHOICES
        for value in one.values
    ]
    assert [row[:2] for row in rows] == made
    for choice in bench.CHOICES:
        assert shipped[choice.threshold] in choice.values
    measured = [name for name, _, _, source in Thresholds.described() if "benchmarks" in source]
    tried = {one.threshold for one in bench.CHOICES}
    assert set(measured) - tried <= {"target_prior_conversions"}


def test_what_is_shipped_cries_no_wolf() -> None:
    for row in bench.table_in(PAGE, "thresholds")[1:]:
        if row[1].startswith("**"):
            assert float(row[2].removesuffix(" %")) <= 5, row
    for row in bench.table_in(PAGE, "worlds")[1:]:
        if "false alarms" in row[2]:
            assert float(row[2].partition(" ")[0]) <= 5, row


def test_the_demo_world_has_a_row_for_each_kind() -> None:
    head, *rows = bench.table_in(PAGE, "stored")
    assert head[:2] == ["kind", "e-value"]
    assert {row[0] for row in rows} <= {str(kind) for kind in Kind}
    assert {row[1] for row in rows if row[0] == "pause"} == {"5", "**20**", "80"}


def test_a_table_is_written_between_its_marks_and_nowhere_else() -> None:
    table = [("kind", "n"), ("pause", "1")]
    page = bench.written(PAGE, "stored", table)
    assert bench.table_in(page, "stored") == [["kind", "n"], ["pause", "1"]]
    assert bench.table_in(page, "worlds") == bench.table_in(PAGE, "worlds")
    with pytest.raises(ValueError, match="no place for the table other"):
        bench.written(PAGE, "other", table)
