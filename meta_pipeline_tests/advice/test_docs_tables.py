"""The tables of docs/advice.md are those that the benchmark makes; its figures are its own."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from benchmarks import advice_backtest as bench
from benchmarks import advice_rules as planted
from meta_pipeline.advice import Thresholds

PAGE = (Path(__file__).parents[2] / "docs" / "advice.md").read_text(encoding="utf-8")


def test_every_planted_world_has_its_row() -> None:
    head, *rows = bench.table_in(PAGE, "worlds")
    assert head == ["rule", "world", "said", "median day", "limit"]
    made = [[one.rule.__name__, one.name] for one in (*planted.EQUAL, *planted.PLANTED)]
    assert [row[:2] for row in rows] == made


def test_every_measured_threshold_is_tried_and_the_shipped_value_is_among_them() -> None:
    shipped = {one.name: one.default for one in fields(Thresholds)}
    for choice in bench.CHOICES:
        assert shipped[choice.threshold] in choice.values
    measured = {name for name, _, _, source in Thresholds.described() if "benchmarks" in source}
    tried = {one.threshold for one in bench.CHOICES}
    assert measured - tried <= {"target_prior_conversions"}


def test_what_is_shipped_cries_no_wolf() -> None:
    for row in bench.table_in(PAGE, "worlds")[1:]:
        if "false alarms" in row[2]:
            assert float(row[2].partition(" ")[0]) <= 5, row


def test_a_table_is_written_between_its_marks_and_nowhere_else() -> None:
    table = [("kind", "n"), ("pause", "1")]
    page = bench.written(PAGE, "worlds", table)
    assert bench.table_in(page, "worlds") == [["kind", "n"], ["pause", "1"]]
    outside = PAGE.partition("<!-- begin")[0]
    assert page.startswith(outside)
    with pytest.raises(ValueError, match="no place for the table other"):
        bench.written(PAGE, "other", table)
