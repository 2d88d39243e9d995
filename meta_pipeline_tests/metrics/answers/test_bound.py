"""The bound of an answer is about its rows: an entity that is none of them is not read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from meta_pipeline.metrics import Bound, Result, TooMuch, answer
from meta_pipeline_tests.metrics.counted import Counted
from meta_pipeline_tests.metrics.rows import NOW, Rows, ago

DELETED = 40
"""More than any answer here may have, and more than the tree has otherwise."""


@pytest.fixture
def counted(database_url: str, rows: Rows) -> Iterator[Counted]:
    """Four ads of which one delivered on three days, and many that are deleted."""
    rows.tree()
    for number in range(DELETED):
        rows.ad(f"d{number}", "s1", "c1", is_deleted=True)
    for back in (1, 2, 3):
        rows.insight("a1", ago(back), spend=10)
    with Counted(database_url) as opened:
        yield opened


def asked(counted: Counted, by: Sequence[str], most_rows: int, *, zeros: bool) -> Result:
    return answer(
        counted,
        metrics=["spend"],
        by=by,
        zeros=zeros,
        date_range=(ago(7), ago(1)),
        now=NOW,
        bound=Bound(rows=most_rows),
    )


@pytest.mark.parametrize(
    ("by", "zeros", "names"),
    [
        (["ad"], False, ["Ad a1"]),
        (["ad", "day"], False, ["Ad a1"] * 3),
        (["day", "ad"], True, ["Ad a1"] * 3),
        (["campaign", "ad"], False, ["Ad a1"]),
        (["ad"], True, ["Ad a1", "Ad a2", "Ad a3", "Ad a4"]),
    ],
)
def test_deleted_ads_without_numbers_are_neither_read_nor_counted(
    counted: Counted, by: list[str], zeros: bool, names: list[str]
) -> None:
    found = asked(counted, by, len(names), zeros=zeros)
    assert [row["ad_name"] for row in found.rows] == names
    assert counted.most_rows < DELETED
    with pytest.raises(TooMuch, match=f"more than {len(names) - 1} rows"):
        asked(counted, by, len(names) - 1, zeros=zeros)


@pytest.mark.parametrize("zeros", [False, True])
def test_a_deleted_ad_with_numbers_is_a_row_with_its_name(
    counted: Counted, rows: Rows, zeros: bool
) -> None:
    rows.insight("d7", ago(2), spend=5)
    found = asked(counted, ["ad"], 5 if zeros else 2, zeros=zeros)
    spent = {row["ad_name"]: row["spend"] for row in found.rows if row["spend"]}
    assert spent == {"Ad a1": 30.0, "Ad d7": 5.0}
