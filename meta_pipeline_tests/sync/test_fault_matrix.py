"""Every fault on every edge at every place: the next clean sync ends with the world's content.

Faults and edges are two lists; both are compared with what there is: what the simulator can do
wrong, and the endpoints that the code of the package names. The matrix is printed at the end of the
run. The quick half meets nearly every fault, every edge, every place and both durations; `slow` is
all of it.
"""

from __future__ import annotations

import ast
import importlib
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import meta_pipeline
from meta_pipeline.model.level import LEVELS
from meta_pipeline.simulator import FAULTS, Plan
from meta_pipeline.simulator.insights import InsightsQuery, rows
from meta_pipeline.simulator.server.instructions import DRIFTS, EDITS
from meta_pipeline.simulator.world.recommendations import recommendations, score_on
from meta_pipeline.sync import ENTITIES, Part, Status, SyncRun
from meta_pipeline.sync.rows.datasets import broken_down, custom, daily, hourly
from meta_pipeline.sync.rows.fields import ENTITY_SPECS
from meta_pipeline_tests.postgres import TestPostgres

from .edges import (
    BREAKDOWN,
    DAYS,
    EDGES,
    EXTRA_DAYS,
    PLACES,
    Edge,
    laboratory,
    on_edge,
)
from .faults import TROUBLES, WAIT, Trouble
from .lab import STATUSES, Lab
from .reports.truth import assert_equal

DURATIONS = ("once", "lasting")
_HOUR = "hourly_stats_aggregated_by_advertiser_time_zone"
_NUMBERS = {
    Part.HOURLY: ("meta_insights_hourly", "ad_id", (_HOUR,)),
    Part.BREAKDOWNS: ("meta_insights_breakdown", "entity_id", BREAKDOWN),
}
_LISTED = frozenset({Part.CREATIVES, Part.CUSTOM_CONVERSIONS, Part.CUSTOM_AUDIENCES, Part.IMAGES})
_ANSWERS_OF_OTHERS = frozenset(
    {"report status", "report rows", "one by id", "business"}
    | {"empty report", "who delivered", "ads of an ad set"}
    | {"levels"}  # an ad set's days come by report, campaign by campaign
)
"""Where only this report, question or business is broken: another is asked, or the id is gone."""


@pytest.fixture(scope="module")
def undisturbed(postgres: TestPostgres) -> Callable[[Edge], tuple[int, int, frozenset[str]]]:
    """Calls of an edge, and of all, when nothing goes wrong; the names they are logged under."""
    known: dict[str, tuple[int, int, frozenset[str]]] = {}

    def count(edge: Edge) -> tuple[int, int, frozenset[str]]:
        if edge.name not in known:
            with (
                postgres.fresh_database() as url,
                laboratory(url, edge) as found,
            ):
                found.query("DELETE FROM meta_ads.meta_api_logs RETURNING 1")
                assert edge.work(found, edge).status is Status.SUCCESS
                found.telemetry.flush()
                logged = found.query("SELECT DISTINCT endpoint_key FROM meta_ads.meta_api_logs")
                keys = frozenset(row["endpoint_key"] for row in logged)
                assert_world(found, edge)
                known[edge.name] = on_edge(found, edge), found.calls(), keys
            assert known[edge.name][0] > 0, f"nothing asks for {edge.name}"
        return known[edge.name]

    return count


def _place(place: str, calls: int) -> int:
    return {"first": 1, "middle": (calls + 1) // 2, "last": calls}[place]


def _cases() -> Iterator[tuple[Trouble, Edge, str, str]]:
    for trouble, edge, duration in product(TROUBLES, EDGES, DURATIONS):
        if trouble.only is not None and edge.name not in trouble.only:
            continue
        # A call that belongs to no sync reads nothing of what moves.
        if trouble.meets and not edge.parts:
            continue
        if not edge.can_meet(trouble.make()):
            continue
        # A lasting one from the middle on: before it something was written, after it more is asked.
        middle = ("middle",) if len(edge.places) > 1 else edge.places
        for place in edge.places if duration == "once" else middle:
            yield trouble, edge, place, duration


CASES = list(_cases())


def _quick() -> set[tuple[str, str, str, str]]:
    """One case for each fault; edges, places and durations take turns, and none is left out."""
    chosen: dict[tuple[str, str, str, str], None] = {}
    seen: Counter[str] = Counter()
    for trouble in filter(lambda one: one.is_quick, TROUBLES):
        mine = [case for case in CASES if case[0] is trouble]
        _, edge, place, duration = min(
            mine, key=lambda case: (seen[case[1].name], seen[case[3]], seen[case[2]])
        )
        seen.update((edge.name, place, duration))
        chosen[trouble.name, edge.name, place, duration] = None
    return set(chosen)


QUICK = _quick()


def _params() -> Iterator[object]:
    for trouble, edge, place, duration in CASES:
        names = (trouble.name, edge.name, place, duration)
        yield pytest.param(
            trouble, edge, place, duration,
            marks=() if names in QUICK else (pytest.mark.slow,),
            id="-".join(names).replace(" ", "_"),
        )  # fmt: skip


@pytest.mark.parametrize(("trouble", "edge", "place", "duration"), list(_params()))
def test_the_next_clean_sync_ends_with_the_world(
    trouble: Trouble,
    edge: Edge,
    place: str,
    duration: str,
    database_url: str,
    undisturbed: Callable[[Edge], tuple[int, int, frozenset[str]]],
    record_property: Callable[[str, object], None],
) -> None:
    pages, clean_calls, _ = undisturbed(edge)
    # Short where an answer does not come, or its end: a busy machine costs another attempt then.
    patience = 1 if trouble.make().wire in ("stall", "drip") else 30
    with laboratory(database_url, edge, patience) as found:
        found.sim.faults.clear()
        rule = found.sim.fail(
            edge.method,
            edge.path(found),
            on_call=_place(place, pages),
            times=1 if duration == "once" else 10_000,
            with_=trouble.make(),
            params=edge.asks,
        )
        edge.beside(found)

        record = edge.work(found, edge)
        calls = found.calls()
        assert rule.fired, "the fault never happened"
        found.sim.faults.clear()

        expected = trouble.once if duration == "once" else trouble.lasting
        if edge.name in _ANSWERS_OF_OTHERS and WAIT not in expected:
            expected |= {Status.SUCCESS}
        if not edge.is_repeatable:
            expected |= {Status.FAIL}
        assert record.status in expected, (record.error_summary, found.sim.journal.table())
        assert_truthful(found, record, trouble, edge)
        extra_calls = trouble.extra_calls + edge.extra_calls
        if trouble.starts_anew:  # what had been read may be read once more, and no more than that
            extra_calls = max(extra_calls, _place(place, pages) + 1)
        assert calls <= clean_calls + extra_calls, found.sim.journal.table(200)
        assert_no_call_into_a_block(found)

        # What vanishes or is paused from above comes with the next full listing only.
        hours = 7 if trouble.edits_world else 1
        if trouble.refuses_breakdowns and edge.parts & {*_NUMBERS, Part.REPORTS}:
            hours = 25  # what was refused is asked for again a day later
        healed = recover(found, edge, record, hours=hours)
        assert_world(found, edge)
        record_property(
            "fault_matrix",
            {
                "fault": trouble.name,
                "edge": edge.name,
                "place": place,
                "duration": duration,
                "status": str(record.status),
                "extra_calls": calls - clean_calls,
                "healed": str(healed.status),
            },
        )


def assert_truthful(found: Lab, record: SyncRun, trouble: Trouble, edge: Edge) -> None:
    """Success means that everything is there; anything else says what is not, and until when."""
    if record.status is Status.SUCCESS:
        assert record.missing == []
        assert record.error_summary is None
        # What the clock or an edit moved on while it was read is as it was at its own call.
        if not trouble.edits_world and trouble.make().wire != "slow":
            assert_world(found, edge)
        return
    assert record.error_summary
    if record.status is WAIT:
        assert record.not_before is not None
        assert record.not_before > found.clock.now()
    elif record.status is Status.PARTIAL:
        assert record.missing


def assert_no_call_into_a_block(found: Lab) -> None:
    """After Meta's first refusal for quota only what was under way is answered.

    The limit of the app's insights is none of the other edges': those may end their slices.
    """
    entries = [entry for entry in found.sim.journal if not entry.in_batch]
    limits = [at for at, entry in enumerate(entries) if entry.code in (4, 17, 613, 80000, 80004)]
    if not limits:
        return
    after = entries[limits[0] + 1 :]
    if entries[limits[0]].subcode == 1504022:
        after = [entry for entry in after if entry.path.endswith("/insights")]
    assert len(after) <= 1, found.sim.journal.table(200)


def recover(found: Lab, edge: Edge, record: SyncRun, *, hours: int) -> SyncRun:
    """The same work again, when it may be and today is due again."""
    now = found.clock.now()
    allowed = record.not_before or now
    found.clock.advance(max(3_600 * hours + 60, (allowed - now).total_seconds()))
    healed = edge.work(found, edge)
    assert healed.status is Status.SUCCESS, healed.error_summary
    return healed


def assert_world(found: Lab, edge: Edge) -> None:
    """What the edge belongs to is in the tables as it is in the world."""
    if edge.name == "accounts":
        stored = {row.account_id for row in found.warehouse.accounts.all(accessible_only=True)}
        assert stored == {account.id for account in found.world.accounts()}
        return
    if edge.name == "token":
        known = found.engine.token()
        assert known.is_valid
        return
    if edge.parts >= ENTITIES:
        found.assert_entities()
    if Part.INSIGHTS in edge.parts:
        assert_numbers(found, edge)
    for report in edge.policy.reports:
        assert assert_equal(found, report), report.name
    for part in edge.parts & _NUMBERS.keys():
        assert_cells(found, part)
    for part in edge.parts & _LISTED:
        assert_listed(found, part)
    if Part.ACTIVITIES in edge.parts:
        assert_activities(found)
    if Part.RECOMMENDATIONS in edge.parts:
        assert_recommendations(found)
    assert found.orphans() == 0
    unfinished = found.scalar(
        "SELECT count(*) FROM meta_ads.sync_runs WHERE status = 'running' OR finished_at IS NULL"
    )
    assert unfinished == 0


def assert_listed(found: Lab, part: Part) -> None:
    """Every object of the edge, and no other."""
    spec = ENTITY_SPECS[part]
    query = f"SELECT {spec.id_column} AS id FROM {spec.table} WHERE NOT is_deleted"
    ids = {row["id"] for row in found.query(query)}
    assert ids == {one.id for one in found.world.objects(spec.edge, found.account_id)}


def assert_numbers(found: Lab, edge: Edge) -> None:
    today = found.today()
    since, yesterday = today - timedelta(days=DAYS - 1), today - timedelta(days=1)
    for level in edge.policy.levels:
        found.assert_insights(since, today, level, conversions=False)
    # The account's own row of a day that is not over proves nothing and is not read again.
    found.assert_insights(since, yesterday, "account", conversions=False)
    days = found.query("SELECT dataset, count(*) AS days FROM meta_ads.sync_windows GROUP BY 1")
    assert all(row["days"] >= DAYS for row in days)


def assert_cells(found: Lab, part: Part) -> None:
    """Cell by cell: as many as in the world, with its numbers."""
    table, key, breakdowns = _NUMBERS[part]
    today = found.today()
    since = today - timedelta(days=EXTRA_DAYS - 1)
    query = InsightsQuery(
        node_id=found.account_id,
        level="ad",
        ranges=((since, today),),
        increment=1,
        fields=("ad_id", "impressions", "spend"),
        breakdowns=breakdowns,
        filtering=({"field": "ad.effective_status", "operator": "IN", "value": STATUSES},),
    )
    expected = Counter(
        (row["ad_id"], date.fromisoformat(row["date_start"]), int(row["impressions"]))
        for row in rows(found.world, query)
    )
    stored = found.query(
        f"SELECT {key} AS ad_id, date_start, impressions FROM meta_ads.{table} "
        "WHERE date_start >= %s",
        since,
    )
    kept = Counter((row["ad_id"], row["date_start"], row["impressions"]) for row in stored)
    assert expected <= kept
    # A cell of a day that goes on is not taken out before the account's own row is read again: what
    # it held may have come with another one.
    assert {one: n for one, n in kept.items() if one[1] < today} == {
        one: n for one, n in expected.items() if one[1] < today
    }


def assert_activities(found: Lab) -> None:
    """Every event of the days that were asked for, once."""
    stored = found.query("SELECT object_id, event_type, event_time FROM meta_ads.meta_activities")
    oldest = min(row["event_time"] for row in stored)
    expected: Counter[Any] = Counter(
        (one.values.get("object_id"), one.values["event_type"])
        for one in found.world.activities(found.account_id)
        if str(one.values["event_time"])[:19] >= f"{oldest:%Y-%m-%dT%H:%M:%S}"
    )
    assert Counter((row["object_id"], row["event_type"]) for row in stored) == expected


def assert_recommendations(found: Lab) -> None:
    """What Meta recommends now, and the score of every day it tells."""
    stored = found.query(
        "SELECT recommendation_type AS type, object_ids FROM meta_ads.meta_recommendations"
        " WHERE gone_at IS NULL"
    )
    assert sorted((row["type"], row["object_ids"]) for row in stored) == sorted(
        (one["type"], sorted(one["object_ids"]))
        for one in recommendations(found.world, found.account_id)
    )
    scores = found.query(
        "SELECT day, score FROM meta_ads.opportunity_scores WHERE score IS NOT NULL"
    )
    assert len(scores) >= 45
    for row in scores:
        assert row["score"] == score_on(found.world, found.account_id, row["day"])


def test_the_quick_half_meets_everything() -> None:
    seen = {part for case in QUICK for part in case}
    assert {t.name for t in TROUBLES if t.is_quick} | {e.name for e in EDGES} | {
        *PLACES,
        *DURATIONS,
    } <= seen


APART = {
    "mend_days": "read/test_unanswerable.py",
    "spoil_day": "read/test_unanswerable.py",
    "spoil_creative": "read/test_delta.py",
    "patch": "read/test_delta.py",
    "withhold": "write/test_proof.py",
    "give_back": "write/test_proof.py",
    "lose_conversions": "rows/test_what_numbers_say.py",
    "find_conversions": "rows/test_what_numbers_say.py",
    "warn_of_version": "limits/test_version_watch.py",
    "remove_value": "read/test_refusals.py",
    "retire_version": "limits/test_version_watch.py",
}
"""What lasts longer than a sync or heals by no sync, and where it is met."""


def test_everything_the_simulator_can_do_wrong_is_in_the_matrix() -> None:
    """Faults, edits of the world, drifts of the contract, ends of reports: a new one fails here."""
    met = {trouble.make().name.split()[0] for trouble in TROUBLES}
    met = met.union(*(trouble.meets for trouble in TROUBLES))
    plans = {name for name, value in vars(Plan).items() if isinstance(value, classmethod)}
    # How long a report takes is nothing wrong.
    wrong = {*FAULTS, *EDITS, *DRIFTS, *plans} - {"instant", "after"}
    assert wrong - met == APART.keys()
    for name, path in APART.items():
        text = (Path(__file__).parent / path).read_text("utf-8")
        assert f".{name}(" in text, f"{path} does not meet {name}"


class _Keys(ast.NodeVisitor):
    """What a module says its calls are logged under: texts, and expressions that make one."""

    def __init__(self) -> None:
        self.said: list[ast.expr] = []

    def visit_Call(self, node: ast.Call) -> None:
        given = {one.arg: one.value for one in node.keywords}
        if "endpoint_key" in given:
            self.said.append(given["endpoint_key"])
        elif isinstance(node.func, ast.Name) and node.func.id == "Request" and len(node.args) > 4:
            self.said.append(node.args[4])
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        named = [one.arg for one in node.args.kwonlyargs]
        for name, default in zip(named, node.args.kw_defaults, strict=True):
            if name == "endpoint_key" and default is not None:
                self.said.append(default)
        self.generic_visit(node)


def _texts(said: ast.expr, module: Any) -> set[str]:
    """The keys that an expression makes; none where it hands on what somebody else said."""
    match said:
        case ast.Constant(value=str(text)):
            return {text}
        case (
            ast.Name(id="endpoint_key")
            | ast.Attribute(attr="endpoint_key")
            | ast.Constant(value=None)
        ):
            return set()
        case ast.Name(id=name) if isinstance(getattr(module, name, None), str):
            return {getattr(module, name)}
        case ast.JoinedStr(
            values=[ast.Constant(value=str(before)),
                    ast.FormattedValue(value=ast.Name(id="level")),
                    ast.Constant(value=str(after))]
        ):  # fmt: skip
            return {f"{before}{level}{after}" for level in LEVELS}
    raise AssertionError(f"{module.__name__}: {ast.unparse(said)}: which keys are these?")


def _keys_in_the_code() -> set[str]:
    """Every name that a call of the package can be logged under."""
    keys, root = set[str](), Path(meta_pipeline.__file__).parent
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        text = path.read_text("utf-8")
        if "simulator" in parts or ("endpoint_key" not in text and "Request(" not in text):
            continue
        visitor = _Keys()
        visitor.visit(ast.parse(text))
        if visitor.said:
            module = importlib.import_module(".".join(parts))
            keys |= set[str]().union(*(_texts(one, module) for one in visitor.said))
    keys |= {spec.endpoint_key for spec in ENTITY_SPECS.values()}
    reports = [report for edge in EDGES for report in edge.policy.reports]
    assert {report.level for report in reports} == set(LEVELS)
    chosen = [*map(daily, LEVELS), hourly(), broken_down(BREAKDOWN), *map(custom, reports)]
    return keys | {dataset.endpoint_key for dataset in chosen}


def test_every_endpoint_of_the_code_is_in_the_matrix(
    undisturbed: Callable[[Edge], tuple[int, int, frozenset[str]]],
) -> None:
    """By the names its calls are logged under, as the package's own code says them."""
    asked: set[str] = set()
    for edge in EDGES:
        _, _, keys = undisturbed(edge)
        assert edge.endpoint_keys <= keys, edge.name
        asked |= edge.endpoint_keys
    assert asked == _keys_in_the_code()
