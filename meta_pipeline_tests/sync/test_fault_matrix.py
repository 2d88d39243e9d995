"""Every fault on every edge at every place: the next clean sync ends with the world's content.

The matrix is printed at the end of the run. The quick half meets every fault, every edge, every
place and both durations; `slow` is all of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import product

import pytest

from meta_pipeline.simulator import AccountSpec, Fault
from meta_pipeline.sync import PageSizes, PlanPolicy, Status, SyncRecord
from meta_pipeline.sync.days import Restatement

from .faults import TROUBLES, WAIT, Trouble
from .lab import Lab, lab

SPEC = AccountSpec("Pechvogel", 8, 8, 12, (4, 5, 9), zone="Europe/Berlin", currency="EUR")
DAYS = 6
POLICY = PlanPolicy(
    backfill_days=DAYS,
    window_days=DAYS,
    # The account's own rows are read whenever the ads' are: both are compared with the world.
    account_rows_every=timedelta(hours=1),
    restatement=Restatement.parse("0:1h,28:7d"),
    page_sizes=PageSizes(entities=2, creatives=2, insights=9),
)
PLACES = ("first", "middle", "last")
DURATIONS = ("once", "lasting")
_RUN = "1490000000000001"


@dataclass(frozen=True)
class Edge:
    """Where calls of one kind go; `is_async` makes the insights come as reports."""

    name: str
    method: str
    path: Callable[[str], str]
    is_async: bool = False


EDGES = (
    Edge("campaigns", "GET", lambda _: "/campaigns"),
    Edge("adsets", "GET", lambda _: "/adsets"),
    Edge("ads", "GET", lambda _: "/ads"),
    Edge("insights", "GET", lambda account: f"{account}/insights"),
    Edge("report create", "POST", lambda account: f"{account}/insights", is_async=True),
    Edge("report status", "GET", lambda _: f"/{_RUN}", is_async=True),
    Edge("report rows", "GET", lambda _: f"/{_RUN}/insights", is_async=True),
)


@contextmanager
def laboratory(database_url: str, edge: Edge, read_timeout_seconds: float = 30) -> Iterator[Lab]:
    with lab(
        database_url,
        SPEC,
        policy=POLICY,
        parallel=1,
        read_timeout_seconds=read_timeout_seconds,
    ) as found:
        if edge.is_async:
            go_async(found)
        yield found


def go_async(found: Lab) -> None:
    found.sim.fail(
        "GET",
        f"{found.account_id}/insights",
        times=None,
        with_=Fault.graph_error(100, 1504018, status=400),
    )


def on_edge(found: Lab, edge: Edge) -> int:
    """Calls of the edge so far."""
    path = edge.path(found.account_id)
    return sum(
        1
        for entry in found.sim.journal
        if entry.method == edge.method and f"/{entry.path}".endswith(path)
    )


@pytest.fixture(scope="module")
def undisturbed(postgres: object) -> Callable[[Edge], tuple[int, int]]:
    """Calls of an edge, and of all, in a sync where nothing goes wrong."""
    known: dict[str, tuple[int, int]] = {}

    def count(edge: Edge) -> tuple[int, int]:
        if edge.name not in known:
            with (
                postgres.fresh_database() as url,  # type: ignore[attr-defined]
                laboratory(url, edge) as found,
            ):
                assert found.sync().status is Status.SUCCESS
                known[edge.name] = on_edge(found, edge), found.calls()
        return known[edge.name]

    return count


def _place(place: str, calls: int) -> int:
    return {"first": 1, "middle": (calls + 1) // 2, "last": calls}[place]


CASES = list(product(TROUBLES, EDGES, PLACES, DURATIONS))


def _is_quick(trouble: Trouble, edge: Edge, place: str, duration: str) -> bool:
    """One case for each fault; edges, places and durations take turns."""
    at = TROUBLES.index(trouble)
    chosen = (EDGES[at % len(EDGES)], PLACES[at % len(PLACES)], DURATIONS[at % len(DURATIONS)])
    return (edge, place, duration) == (
        chosen if chosen[2] == "once" else (chosen[0], "middle", "lasting")
    )


def _params() -> Iterator[object]:
    for trouble, edge, place, duration in CASES:
        if duration == "lasting" and place != "middle":
            continue  # from the middle on: before it something was written, after it more is asked
        marks = () if _is_quick(trouble, edge, place, duration) else (pytest.mark.slow,)
        yield pytest.param(
            trouble, edge, place, duration, marks=marks,
            id=f"{trouble.name}-{edge.name}-{place}-{duration}".replace(" ", "_"),
        )  # fmt: skip


@pytest.mark.parametrize(("trouble", "edge", "place", "duration"), list(_params()))
def test_the_next_clean_sync_ends_with_the_world(
    trouble: Trouble,
    edge: Edge,
    place: str,
    duration: str,
    database_url: str,
    undisturbed: Callable[[Edge], tuple[int, int]],
    record_property: Callable[[str, object], None],
) -> None:
    pages, clean_calls = undisturbed(edge)
    patience = 0.5 if trouble.name == "silence" else 30
    with laboratory(database_url, edge, patience) as found:
        found.sim.faults.clear()
        rule = found.sim.fail(
            edge.method,
            edge.path(found.account_id),
            on_call=_place(place, pages),
            times=1 if duration == "once" else 10_000,
            with_=trouble.make(),
        )
        if edge.is_async:
            go_async(found)

        record = found.sync()
        calls = found.calls()
        assert rule.fired, "the fault never happened"
        found.sim.faults.clear()

        expected = trouble.once if duration == "once" else trouble.lasting
        if edge.name in ("report status", "report rows") and WAIT not in expected:
            expected |= {Status.SUCCESS}  # only this report is broken: another one is made
        assert record.status in expected, (record.error_summary, found.sim.journal.table())
        assert_truthful(found, record, trouble)
        assert calls <= clean_calls + trouble.extra_calls, found.sim.journal.table(200)

        # What vanishes or is paused from above comes with the next full listing only.
        healed = recover(found, record, hours=7 if trouble.edits_world else 1)
        assert_world(found)
        note(record_property, trouble, edge, place, duration, record, calls - clean_calls, healed)


def assert_truthful(found: Lab, record: SyncRecord, trouble: Trouble) -> None:
    """Success means that everything is there; anything else says what is not, and until when."""
    if record.status is Status.SUCCESS:
        assert record.missing == []
        assert record.error_summary is None
        if not trouble.edits_world:
            assert_world(found, conversions=False)
        return
    assert record.error_summary
    if record.status is WAIT:
        assert record.not_before is not None
        assert record.not_before > found.clock.now()
    elif record.status is Status.PARTIAL:
        assert record.missing


def recover(found: Lab, record: SyncRecord, *, hours: int) -> SyncRecord:
    """The next sync, when it may be and today is due again."""
    now = found.clock.now()
    allowed = record.not_before or now
    found.clock.advance(max(3_600 * hours + 60, (allowed - now).total_seconds()))
    healed = found.sync()
    assert healed.status is Status.SUCCESS, healed.error_summary
    return healed


def assert_world(found: Lab, *, conversions: bool = False) -> None:
    today = found.today()
    found.assert_entities()
    since, yesterday = today - timedelta(days=DAYS - 1), today - timedelta(days=1)
    found.assert_insights(since, today, conversions=conversions)
    # The account's own row of a day that is not over proves nothing and is not read again.
    found.assert_insights(since, yesterday, "account", conversions=conversions)
    assert found.orphans() == 0
    days = found.query("SELECT dataset, count(*) AS days FROM meta_ads.sync_windows GROUP BY 1")
    assert all(row["days"] >= DAYS for row in days)
    unfinished = found.scalar(
        "SELECT count(*) FROM meta_ads.sync_runs WHERE status = 'running' OR finished_at IS NULL"
    )
    assert unfinished == 0


def note(
    record_property: Callable[[str, object], None],
    trouble: Trouble,
    edge: Edge,
    place: str,
    duration: str,
    record: SyncRecord,
    extra_calls: int,
    healed: SyncRecord,
) -> None:
    """One cell of the table printed at the end."""
    record_property(
        "fault_matrix",
        {
            "fault": trouble.name,
            "edge": edge.name,
            "place": place,
            "duration": duration,
            "status": str(record.status),
            "extra_calls": extra_calls,
            "healed": str(healed.status),
        },
    )


def test_the_quick_half_meets_everything() -> None:
    quick = [case for case in CASES if _is_quick(*case)]
    seen = Counter(part for trouble, edge, place, duration in quick
                   for part in (trouble.name, edge.name, place, duration))  # fmt: skip
    everything = {t.name for t in TROUBLES} | {e.name for e in EDGES} | {*PLACES, *DURATIONS}
    assert everything <= seen.keys()
