"""docs/questions.md, run as it stands; the answers are computed again from the simulated world."""

from __future__ import annotations

import ast
import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from meta_pipeline import copilot, metrics

from .world import (
    LANDING,
    LEAD,
    PURCHASE,
    REGISTRATION,
    Day,
    World,
    by,
    impressions,
    purchases,
    revenue,
    spend,
    total,
)

DOC = Path(__file__).parents[2] / "docs" / "questions.md"
QUESTION = re.compile(r"^## (\d+)\. .*?\n\n```(python|sql)\n(.*?)```", re.MULTILINE | re.DOTALL)
QUESTIONS = {int(n): (kind, code) for n, kind, code in QUESTION.findall(DOC.read_text())}
IN_DOC = "act_1234567890"


def answer(world: World, number: int) -> Any:
    """Run the snippet of one question at the world's moment."""
    kind, code = QUESTIONS[number]
    code = code.replace(IN_DOC, world.lab.account_id)
    code = code.replace("{busiest_campaign}", world.busiest_campaign)
    if kind == "sql":
        return _sql(world, code)
    now = world.lab.clock.now()
    shim = SimpleNamespace(
        **{name: getattr(metrics, name) for name in metrics.__all__}
        | {
            "query": lambda *a, **k: metrics.query(*a, **k, now=now),
            "days_of": lambda one, who, when: metrics.days_of(one, who, when, now),
            "KPIs": lambda w: _KpisAt(w, now),
        }
    )
    return evaluated(code, {"metrics": shim, "warehouse": world.lab.warehouse})


def _sql(world: World, code: str) -> list[dict[str, Any]]:
    with world.lab.warehouse.connection() as connection:
        moment = world.lab.clock.now().isoformat()
        connection.execute("SELECT set_config('meta_ads.now', %s, true)", (moment,))
        cursor = connection.execute(code)
        assert cursor.description is not None
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


class _KpisAt(metrics.KPIs):
    def __init__(self, warehouse: Any, now: Any) -> None:
        super().__init__(warehouse)
        self._now = now

    def performance(self, account: Any = None, date_range: Any = "last_7d", **_: Any) -> Any:
        return super().performance(account, date_range, now=self._now)


def evaluated(code: str, names: dict[str, Any]) -> Any:
    """Run a snippet; gives the value of its last line."""
    *before, last = ast.parse(code).body
    assert isinstance(last, ast.Expr)
    exec(compile(ast.Module(before, []), "questions.md", "exec"), names)
    return eval(compile(ast.Expression(last.value), "questions.md", "eval"), names)


def column(frame: pd.DataFrame, key: str, name: str) -> dict[Any, Any]:
    return {k: v for k, v in zip(frame[key], frame[name], strict=True) if v == v}


def near(values: dict[Any, Any]) -> Any:
    return pytest.approx({key: float(value) for key, value in values.items()})


def test_every_question_has_an_answer_and_a_check() -> None:
    checks = {int(name[6:]) for name in globals() if re.fullmatch(r"check_\d+", name)}

    assert len(QUESTIONS) >= 21
    assert checks == QUESTIONS.keys()


@pytest.mark.parametrize("number", QUESTIONS)
def test_answer_equals_the_world(world: World, number: int) -> None:
    globals()[f"check_{number}"](world, answer(world, number))


TITLES = dict(re.findall(r"^## (\d+)\. (.*)$", DOC.read_text(), re.MULTILINE))


@pytest.mark.parametrize("number", QUESTIONS)
def test_question_in_words_has_the_same_numbers(world: World, number: int) -> None:
    """The heading, asked as it stands, answers what the snippet does."""
    if number == 21:
        metrics.KPIs(world.lab.warehouse).set(world.lab.account_id, "roas", 2, is_primary=True)
    words = TITLES[str(number)].replace("one campaign", f"campaign {world.busiest_campaign}")

    found = copilot.ask(world.lab.warehouse, words, now=world.lab.clock.now())

    assert found.outcome == "answered", found.message
    in_words = _in_words(found.rows, number)
    assert in_words, found.rows
    assert in_words == _as_words(answer(world, number), number)


def _in_words(rows: list[dict[str, Any]], number: int) -> Any:
    """The answer in words, as what can be compared with that of the snippet."""
    if number == 17:
        return [
            [_round(row[n]) for n in ("spend", "spend_before", "roas", "roas_before")]
            for row in rows
        ]
    if number == 18:
        return {row["adset_id"]: _round(row["spend"]) for row in rows if row["spend"]}
    if number == 19:
        return [row["day"] for row in rows if row["state"] == "settling"]
    if number == 20:
        return [(row["day"], row["status"]) for row in rows]
    if number == 21:
        return [(row["metric"], _round(row["value"]), row["verdict"]) for row in rows]
    if number == 22:
        return {row["attribution_window"]: _round(row["purchases"]) for row in rows}
    if number == 16:
        return sorted(row["campaign_id"] for row in rows)
    return [{name: _round(value) for name, value in row.items()} for row in rows]


def _as_words(found: Any, number: int) -> Any:
    if number == 17:
        names = ("spend_7d", "spend_previous_7d", "roas_7d", "roas_previous_7d")
        return [[_round(row[name]) for name in names] for row in found]
    if number == 18:
        adsets = [row for row in found if row["node"].startswith("    ")]
        return {row["node"].strip(): _round(row["spend_30d"]) for row in adsets if row["spend_30d"]}
    if number == 19:
        return [day for days in found.values() for day in days]
    if number == 20:
        return [(day.isoformat(), status) for day, status in found]
    if number == 21:
        return [(row.metric_key, _round(row.value), row.verdict) for row in found]
    if number == 22:
        names = (
            "purchases",
            "within_a_day_of_a_click",
            "within_a_week_of_a_click",
            "within_a_day_of_a_view",
        )
        return dict(
            zip(
                ("default", "1d_click", "7d_click", "1d_view"),
                (_round(found[0][n]) for n in names),
                strict=True,
            )
        )
    if number == 16:
        return sorted(row["campaign_id"] for row in found)
    known = found.astype(object).where(found.notna(), None)
    shown = {
        5: ["week", "cpl"],
        6: ["campaign_id", "campaign_name", "cpa"],
        9: ["day", "reach"],
        10: ["ad_id", "ad_name", "frequency"],
        12: None,
        13: ["landing_page_view_rate"],
        14: ["objective", "spend"],
    }.get(number)
    rows = known[shown].to_dict("records") if shown else known.to_dict("records")
    if number == 12:
        rows = [{k: v for k, v in row.items() if k != "spend"} for row in rows]
    return [{name: _round(value) for name, value in row.items()} for row in rows]


def _round(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return round(float(value), 4) if isinstance(value, int | float | Decimal) else value


def check_1(world: World, answer: pd.DataFrame) -> None:
    monday = world.today - timedelta(days=world.today.weekday())
    expected = total(world.since(monday), lambda row: row.first(REGISTRATION))
    assert expected > 0
    assert answer["free_base_members"].tolist() == [expected]


def check_2(world: World, answer: pd.DataFrame) -> None:
    assert answer["spend"].tolist() == [total(world.last(7), spend)]


def check_3(world: World, answer: pd.DataFrame) -> None:
    spent = by(world.last(1), "campaign_id", spend)
    campaigns = world.objects("campaigns")
    assert column(answer, "campaign_id", "spend") == {
        key: float(spent.get(key, 0))
        for key, values in campaigns.items()
        if values["effective_status"] != "DELETED" or key in spent
    }
    assert 0 in answer["spend"].tolist()


def check_4(world: World, answer: pd.DataFrame) -> None:
    days = world.last(14)
    assert answer["roas"].tolist() == [pytest.approx(total(days, revenue) / total(days, spend))]


def check_5(world: World, answer: pd.DataFrame) -> None:
    days = world.last(28)

    def week(row: Day) -> date:
        return row.date - timedelta(days=row.date.weekday())

    spent, leads = by(days, week, spend), by(days, week, lambda row: row.first(LEAD))
    assert column(answer, "week", "spend") == near(spent)
    assert column(answer, "week", "leads") == near(leads)
    assert column(answer, "week", "cpl") == near(
        {key: spent[key] / leads[key] for key in spent if leads[key]}
    )


def check_6(world: World, answer: pd.DataFrame) -> None:
    days = world.since(world.today.replace(day=1))
    spent, bought = by(days, "campaign_id", spend), by(days, "campaign_id", purchases)
    assert column(answer, "campaign_id", "cpa") == near(
        {key: spent[key] / bought[key] for key in spent if bought[key]}
    )


def check_7(world: World, answer: pd.DataFrame) -> None:
    days = world.last(14)
    shown = by(days, "ad_id", impressions)
    clicked = by(days, "ad_id", lambda row: row.number("clicks"))
    rates = {key: 100 * clicked[key] / shown[key] for key in shown if shown[key] > 1000}
    best = sorted(rates, key=lambda key: (-rates[key], key))[:5]
    assert answer["ad_id"].tolist() == best
    assert column(answer, "ad_id", "ctr") == near({key: rates[key] for key in best})


def check_8(world: World, answer: pd.DataFrame) -> None:
    days = world.last(7)
    for name, value in (("spend", spend), ("purchases", purchases), ("revenue", revenue)):
        assert column(answer, "day", name) == near(by(days, lambda row: row.date, value))


def check_9(world: World, answer: pd.DataFrame) -> None:
    days = world.last(7, world.account_days)
    reach = {row.date: row.number("reach") for row in days}
    assert column(answer, "day", "reach") == near(reach)
    assert column(answer, "day", "cost_per_1000_people_reached") == near(
        {row.date: 1000 * spend(row) / reach[row.date] for row in days}
    )
    # The reach of the ads, added up, is another number: the reason for all the care.
    assert reach != by(world.last(7), lambda row: row.date, lambda row: row.number("reach"))


def check_10(world: World, answer: pd.DataFrame) -> None:
    expected = {row["ad_id"]: row.number("frequency") for row in world.last(1)}
    delivered = answer[answer["reach"] > 0]
    assert column(delivered, "ad_id", "frequency") == near(expected)


def check_11(world: World, answer: pd.DataFrame) -> None:
    expected = total(world.last(14), lambda row: row.first(PURCHASE, key="7d_click"))
    assert answer["purchases"].tolist() == [expected]
    assert expected < total(world.last(14), purchases)


def check_12(world: World, answer: pd.DataFrame) -> None:
    found = by(world.last(28), "campaign_id", world.result)
    spent = by(world.last(28), "campaign_id", spend)
    assert sum(found.values()) > 0
    delivered = answer[answer["spend"] > 0]
    assert column(delivered, "campaign_id", "results") == near(found)
    assert column(delivered, "campaign_id", "cost_per_result") == near(
        {key: spent[key] / found[key] for key in found if found[key]}
    )


def check_13(world: World, answer: pd.DataFrame) -> None:
    days = world.last(28)
    clicks = total(days, lambda row: row.first(("link_click",)))
    views = total(days, lambda row: row.first(LANDING))
    assert answer.values.tolist() == [[pytest.approx(100 * views / clicks), clicks, views]]


def check_14(world: World, answer: pd.DataFrame) -> None:
    campaigns = world.objects("campaigns")
    running = [
        row
        for row in world.last(28)
        if campaigns[row["campaign_id"]]["effective_status"] in ("ACTIVE", "WITH_ISSUES")
    ]
    spent = by(running, lambda row: campaigns[row["campaign_id"]]["objective"], spend)
    assert column(answer, "objective", "spend") == near(spent)


def check_15(world: World, answer: pd.DataFrame) -> None:
    campaign = world.busiest_campaign
    days = [row for row in world.last(14) if row["campaign_id"] == campaign]
    spent, shown = by(days, "adset_id", spend), by(days, "adset_id", impressions)
    delivered = answer[answer["spend"] > 0]
    assert column(delivered, "adset_id", "spend") == near(spent)
    assert column(delivered, "adset_id", "cpm") == near(
        {key: 1000 * spent[key] / shown[key] for key in spent}
    )
    adsets = world.objects("adsets")
    assert {adsets[key]["campaign_id"] for key in answer["adset_id"]} == {campaign}


def check_16(world: World, answer: list[dict[str, Any]]) -> None:
    delivered = {row["campaign_id"] for row in world.last(30)}
    there = {
        key
        for key, values in world.objects("campaigns").items()
        if values["effective_status"] != "DELETED"
    }
    idle = sorted(there - delivered)
    assert idle
    assert [row["campaign_id"] for row in answer] == idle


def check_17(world: World, answer: list[dict[str, Any]]) -> None:
    week = world.last(7)
    before = [row for row in world.last(14) if row not in week]
    (row,) = answer
    assert (float(row["spend_7d"]), float(row["spend_previous_7d"])) == (
        total(week, spend),
        total(before, spend),
    )
    assert float(row["roas_7d"]) == pytest.approx(
        total(week, revenue) / total(week, spend), abs=1e-4
    )


def check_18(world: World, answer: list[dict[str, Any]]) -> None:
    days = world.last(30)
    expected = by(days, "campaign_id", spend) | by(days, "adset_id", spend)
    expected[world.lab.account_id] = sum(map(spend, days), Decimal(0))
    assert {row["node"].strip(): row["spend_30d"] for row in answer if row["spend_30d"]} == expected


def check_19(world: World, answer: dict[str, list[str]]) -> None:
    days = [world.today - timedelta(days=back) for back in range(14, 0, -1)]
    assert answer == {world.lab.account_id: [day.isoformat() for day in days]}


def check_20(world: World, answer: list[tuple[date, str]]) -> None:
    assert answer == [(world.today - timedelta(days=back), "match") for back in range(14, 0, -1)]


def check_21(world: World, answer: list[metrics.Performance]) -> None:
    days = world.last(7)
    (row,) = answer
    assert row.value == pytest.approx(total(days, revenue) / total(days, spend))
    assert row.verdict == ("met" if row.value is not None and row.value >= 2 else "missed")


def check_22(world: World, answer: list[dict[str, Any]]) -> None:
    (row,) = answer
    assert float(row["purchases"]) == total(world.ads, purchases)
    for name, key in (
        ("within_a_day_of_a_click", "1d_click"),
        ("within_a_week_of_a_click", "7d_click"),
        ("within_a_day_of_a_view", "1d_view"),
    ):
        expected = total(world.ads, lambda one, key=key: one.first(PURCHASE, key=key))  # type: ignore[misc]
        assert float(row[name]) == expected
