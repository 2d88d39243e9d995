"""Custom conversions are called by their names wherever people read of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from meta_pipeline import metrics
from meta_pipeline.copilot.ask import describe
from meta_pipeline.warehouse import Warehouse

from .answers.test_goals import CONVERSION, deliver, promote
from .rows import ACCOUNT, READ_AT, TODAY, Rows, ago, ask

NAME = "Checkout finished"
CALLED = f"“{NAME}” ({CONVERSION})"
OWN = f"""
overrides:
  - account: {ACCOUNT}
    metric: leads
    actions: [{CONVERSION}]
    note: They count sign-ups by a conversion of their own.
"""

MEMBERS = f"""
metrics:
  members:
    display_name: Members
    description: Who joined.
    unit: count
    kind: sum
    better: higher
    actions: [{CONVERSION}]
"""


@pytest.fixture
def named(rows: Rows) -> Rows:
    rows.tree()
    rows.tree("act_2", "x")
    for account_id, id_, name in (
        (ACCOUNT, "777", NAME),
        (ACCOUNT, "778", ""),
        ("act_2", "778", "Of others"),
    ):
        rows.insert(
            "meta_custom_conversions",
            account_id=account_id,
            custom_conversion_id=id_,
            name=name,
            data_as_of=READ_AT,
        )
    return rows


def test_a_note_about_goals_that_are_added_up_names_them(named: Rows, warehouse: Warehouse) -> None:
    promote(named, "s1", {"custom_conversion_id": "777"})
    promote(named, "s2", {"custom_conversion_id": "778"})
    deliver(named, "a1", "a3", day=ago(1))
    answer = ask(warehouse, "results", date_range=(ago(1), ago(1)))
    (note,) = (one for one in answer.attrs["notes"] if "different goals" in one)
    assert CALLED in note
    assert "offsite_conversion.custom.778" in note
    assert "Of others" not in note, "another account's name is not this one's"


def test_names_are_put_into_any_text(named: Rows) -> None:
    connection = named.connection
    text = f"first of {CONVERSION}, offline_conversion.custom.777, offsite_conversion.custom.7770"
    names = metrics.names_in(connection, [text])
    assert names == {CONVERSION: NAME, "offline_conversion.custom.777": NAME}
    assert metrics.with_names(text, names) == (
        f"first of {CALLED}, “{NAME}” (offline_conversion.custom.777), "
        "offsite_conversion.custom.7770"
    )
    assert metrics.names_in(connection, ["purchase"]) == {}
    assert metrics.names_in(connection, [text], ["act_2"]) == {}


def test_a_metric_that_is_described_says_what_its_conversions_are(
    named: Rows, warehouse: Warehouse, tmp_path: Path
) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(OWN)
    metrics.load_dictionary(warehouse, file)
    (row,) = describe(warehouse, "leads").rows
    assert row["custom_conversions"] == {CONVERSION: NAME}
    assert describe(warehouse, "spend").rows[0]["custom_conversions"] == {}


def test_the_formula_of_an_answer_names_what_it_counts(
    named: Rows, warehouse: Warehouse, tmp_path: Path
) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(MEMBERS)
    metrics.load_dictionary(warehouse, file)
    assert ask(warehouse, "members", "spend").attrs["formulas"] == {
        "members": f"sum(actions[{CALLED}])",
        "spend": "sum(spend)",
    }
    theirs = ask(warehouse, "members", account="act_2").attrs["formulas"]
    assert theirs == {"members": f"sum(actions[{CONVERSION}])"}


def test_views_have_the_names(named: Rows) -> None:
    promote(named, "s1", {"custom_conversion_id": "777"})
    promote(named, "s2", {"custom_conversion_id": "778"})
    deliver(named, "a1", day=TODAY)
    goals = named.connection.execute(
        "SELECT adset_id, result_name FROM meta_ads.adset_goals WHERE account_id = %s ORDER BY 1",
        (ACCOUNT,),
    ).fetchall()
    assert goals == [("s1", NAME), ("s2", None), ("s3", None)]
    long = named.connection.execute(
        "SELECT action_type, custom_conversion_name, actions FROM meta_ads.conversions_long"
        " WHERE ad_id = 'a1' AND custom_conversion_name IS NOT NULL"
    ).fetchall()
    assert long == [(CONVERSION, NAME, 9)]
    (rows,) = named.connection.execute(
        "SELECT count(*) FROM meta_ads.conversions_long WHERE ad_id = 'a1'"
    ).fetchall()
    assert rows == (7,), "a join adds no row"
