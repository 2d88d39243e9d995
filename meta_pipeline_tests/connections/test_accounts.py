"""Every ad account has its connection: over real sockets, with several tokens at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from meta_pipeline.graph import Reauthorize
from meta_pipeline.model.part import Part
from meta_pipeline.simulator import App, Fault
from meta_pipeline.sync import Progress, Status, SyncEngine, SyncRequest, SyncRun
from meta_pipeline.warehouse import ConnectionRow
from meta_pipeline_tests.connections.engines import engine_of
from meta_pipeline_tests.connections.place import DAY_SECONDS, Place, place_of

OTHER_APP = App(id="774400000000001", secret="other-secret", name="Another app")

TABLES = {
    "campaigns": "meta_campaigns",
    "adsets": "meta_adsets",
    "ads": "meta_ads",
    "insights": "meta_insights",
}


@dataclass
class Agency:
    """Four accounts: 0 is the environment's; A reaches 1 and 2, B reaches 2 and 3."""

    place: Place
    engine: SyncEngine
    tokens: dict[str, str]
    rows: dict[str, ConnectionRow]

    def connect(self, name: str, accounts: list[int], **given: Any) -> ConnectionRow:
        ids = self.place.ids
        token = self.place.issue(
            user_id=f"70{len(self.rows)}1",
            user_name=name,
            accounts=[ids[number] for number in accounts],
            **given,
        )
        self.tokens[name], self.rows[name] = token, self.place.book.add(token)
        return self.rows[name]

    def sync(self, number: int, told: Callable[[Progress], None] = lambda _: None) -> SyncRun:
        return self.engine.sync(SyncRequest(self.place.ids[number], force=True), told)

    def state(self, name: str) -> str:
        return self.place.row(self.rows[name].connection_id).state

    def is_whole(self, number: int) -> bool:
        """Whether every campaign, ad set and ad of the account is stored, and insights are."""
        account_id, world = self.place.ids[number], self.place.sim.world
        stored = {
            edge: self.place.query(
                f"SELECT count(*) FROM meta_ads.{table} WHERE account_id = %s", account_id
            )[0][0]
            for edge, table in TABLES.items()
        }
        insights = stored.pop("insights")
        expected = {edge: sum(1 for _ in world.objects(edge, account_id)) for edge in stored}
        return insights > 0 and stored == expected

    def answered_twice(self) -> list[tuple[str, str]]:
        """Requests that Meta answered well more than once."""
        good = Counter((e.path, e.query) for e in self.place.sim.journal if e.status == 200)
        return [one for one, times in good.items() if times > 1]

    def questions(self) -> list[str]:
        """The calls that asked whether the account itself can still be read."""
        calls = self.place.sim.journal.find(path="/campaigns")
        return [one.query for one in calls if str(one.params.get("limit")) == "1"]


@pytest.fixture
def agency(database_url: str) -> Iterator[Agency]:
    with place_of(database_url, accounts=4) as place, engine_of(place) as engine:
        place.sim.tokens.restrict(place.sim.token, accounts=[place.ids[0]])
        found = Agency(place, engine, {}, {})
        found.connect("A", [1, 2])
        found.connect("B", [2, 3], expires_in_seconds=50 * DAY_SECONDS)
        yield found
        place.sim.check()


def test_each_account_is_listed_and_read_by_the_connection_that_reaches_it(agency: Agency) -> None:
    place, (env, one, both, three) = agency.place, agency.place.ids
    place.sim.tokens.restrict(agency.tokens["B"], accounts=[both, three])
    found = agency.engine.discover()
    assert {row.account_id for row in found.accounts} == set(place.ids)
    assert found.problems == ()
    reached = place.warehouse.connections.reaching()
    a, b = (agency.rows[name].connection_id for name in "AB")
    assert reached == {one: (a,), both: tuple(sorted((a, b))), three: (b,)}
    assert place.warehouse.connections.listed_by_environment() == {env}
    used = {n: agency.sync(n) for n in range(4)}
    assert {n: run.status for n, run in used.items()} == dict.fromkeys(range(4), Status.SUCCESS)
    assert [used[n].connection_id for n in range(4)] == [None, a, a, b], "A lives longer than B"
    assert all(agency.is_whole(n) for n in range(4))
    stored = place.query("SELECT connection_id, app_key FROM meta_ads.sync_runs")
    assert Counter(stored) == {(None, "app"): 1, (a, "app"): 2, (b, "app"): 1}


ENDS = {
    "expired": ("expire", "expired"),
    "removed the app": ("revoke", "revoked"),
    "another password": ("password_changed", "revoked"),
}


@pytest.mark.parametrize(("how", "state"), ENDS.values(), ids=ENDS)
def test_a_token_that_dies_in_a_sync_gives_way_to_the_next(
    agency: Agency, how: str, state: str
) -> None:
    place = agency.place
    agency.engine.discover()
    place.sim.journal.clear()
    steps: list[Progress] = []

    def die(step: Progress) -> None:
        if not steps:
            getattr(place.sim.tokens, how)(agency.tokens["A"])
        steps.append(step)

    run = agency.sync(2, die)
    assert (run.status, run.connection_id) == (Status.SUCCESS, agency.rows["B"].connection_id)
    assert agency.is_whole(2)
    assert place.sim.journal.count(code=190) >= 1
    assert not agency.answered_twice()
    assert agency.state("A") == state
    row = place.row(agency.rows["A"].connection_id)
    assert "190" in str(row.problem)
    assert place.events()[-1] == state, "once in the audit, however many threads met it"
    assert place.events().count(state) == 1
    place.sim.journal.clear()
    assert agency.sync(2).status is Status.SUCCESS
    assert place.sim.journal.count(code=190) == 0, "no further call with the dead token"


LOSSES: dict[str, tuple[Callable[[Any, str, str], None], int]] = {
    "not among its accounts": (
        lambda tokens, token, _: tokens.restrict(token, accounts=[]),
        200,
    ),
    "withheld by its owner": (
        lambda tokens, token, account: tokens.withhold(token, accounts=[account]),
        200,
    ),
    "scope taken back": (lambda tokens, token, _: tokens.drop_scope(token, "ads_read"), 200),
}


@pytest.mark.each_value
@pytest.mark.parametrize(("lose", "code"), LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("is_before", [True, False], ids=["before", "in the middle"])
def test_an_account_lost_in_a_sync_is_read_over_the_next_connection(
    agency: Agency, lose: Callable[[Any, str, str], None], code: int, is_before: bool
) -> None:
    place, both = agency.place, agency.place.ids[2]
    b = agency.rows["B"].connection_id
    agency.engine.discover()
    place.sim.journal.clear()
    steps: list[Progress] = []

    def step(progress: Progress) -> None:
        if not steps:
            lose(place.sim.tokens, agency.tokens["A"], both)
        steps.append(progress)

    if is_before:
        lose(place.sim.tokens, agency.tokens["A"], both)
    run = agency.sync(2, step)
    assert (run.status, run.connection_id) == (Status.SUCCESS, b)
    assert agency.is_whole(2)
    assert place.query("SELECT count(*) FROM meta_ads.meta_ads WHERE is_deleted") == [(0,)]
    assert place.sim.journal.count(code=code) >= 1
    assert not agency.answered_twice()
    assert agency.state("A") == "active", "the token lives, and reaches others"
    assert place.warehouse.connections.reaching(both) == {both: (b,)}
    assert place.events().count("checked") == 1
    place.sim.journal.clear()
    assert agency.sync(2).status is Status.SUCCESS
    assert place.sim.journal.count(code=code) == 0, "no further call over the one that lost it"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (10, "(#10) Application does not have permission for this action"),
        (100, "(#100) Missing permissions"),
        (200, "(#200) Requires ads_read permission"),
    ],
)
def test_one_refused_part_is_left_out_and_the_connection_stays(
    agency: Agency, code: int, message: str
) -> None:
    place, a = agency.place, agency.rows["A"].connection_id
    agency.engine.discover()
    agency.sync(2)
    events = place.events()
    refusal = Fault.graph_error(code, message=message)
    place.sim.fail("GET", "/adsets", with_=refusal, times=None)
    place.sim.journal.clear()
    run = agency.sync(2)
    assert (run.status, run.connection_id) == (Status.PARTIAL, a)
    assert {one.edge for one in run.missing} == {"adsets"}
    assert len(agency.questions()) == 1, "one question whether it is the account"
    assert place.events() == events


@pytest.mark.parametrize(("lose", "code"), LOSSES.values(), ids=LOSSES)
def test_what_a_lost_connection_may_not_see_by_id_is_not_gone(
    agency: Agency, lose: Callable[[Any, str, str], None], code: int
) -> None:
    place, both = agency.place, agency.place.ids[2]
    agency.engine.discover()
    agency.sync(2)
    ads = [one.id for one in place.sim.world.objects("ads", both)]
    lose(place.sim.tokens, agency.tokens["A"], both)
    request = SyncRequest(both, objects={Part.ADS: tuple(ads)})
    run = agency.engine.sync(request)
    assert (run.status, run.connection_id) == (Status.SUCCESS, agency.rows["B"].connection_id)
    assert run.ads_fetched == len(ads)
    assert place.query("SELECT count(*) FROM meta_ads.meta_ads WHERE is_deleted") == [(0,)]


def test_the_only_connection_of_an_account_is_asked_nothing_more(agency: Agency) -> None:
    place, one = agency.place, agency.place.ids[1]
    agency.engine.discover()
    place.sim.tokens.withhold(agency.tokens["A"], accounts=[one])
    place.sim.journal.clear()
    run = agency.sync(1)
    assert run.status is Status.FAIL
    assert run.not_before is not None, "it rests"
    assert not agency.questions()
    assert place.warehouse.connections.reaching(one) == {one: (agency.rows["A"].connection_id,)}


@pytest.mark.parametrize("through", ["the environment", "a stored one"])
def test_a_blocked_app_gives_way_to_another_app_and_not_to_its_own_connections(
    agency: Agency, through: str
) -> None:
    place, number = agency.place, 0 if through == "the environment" else 2
    place.sim.tokens.add_app(OTHER_APP)
    other = agency.connect("Other", [number], app_id=OTHER_APP.id, scopes=["ads_read"])
    place.change(
        "UPDATE meta_ads.connections SET expires_at = %s WHERE connection_id = %s",
        place.clock.now() + timedelta(days=30),
        other.connection_id,
    )
    agency.engine.discover()
    steps: list[Progress] = []

    def block(step: Progress) -> None:
        if not steps:
            place.sim.tokens.change_app(is_blocked=True)
        steps.append(step)

    place.sim.journal.clear()
    run = agency.sync(number, block)
    assert (run.status, run.connection_id) == (Status.SUCCESS, other.connection_id)
    assert run.app_key == f"app_{OTHER_APP.id}"
    assert agency.is_whole(number)
    assert place.row(agency.rows["B"].connection_id).problem is None, "not tried: it is its app's"
    assert {agency.state(name) for name in "AB"} == {"active"}
    if number:
        assert "API access blocked" in str(place.row(agency.rows["A"].connection_id).problem)


def test_a_blocked_app_with_no_other_rests_and_loses_nothing(agency: Agency) -> None:
    place = agency.place
    agency.engine.discover()
    agency.sync(2)
    reached = place.warehouse.connections.reaching()
    place.sim.tokens.change_app(is_blocked=True)
    run = agency.sync(2)
    assert run.status is Status.FAIL
    assert "App Dashboard" in str(run.error_summary)
    assert run.not_before is not None
    assert place.warehouse.connections.reaching() == reached
    assert place.query("SELECT count(*) FROM meta_ads.meta_ads WHERE is_deleted") == [(0,)]


def test_with_no_connection_left_the_account_waits_and_is_not_taken_for_gone(
    agency: Agency,
) -> None:
    place = agency.place
    agency.engine.discover()
    place.sim.tokens.revoke(agency.tokens["B"])
    run = agency.sync(3)
    assert run.status is Status.FAIL
    assert "190/458" in str(run.error_summary)
    assert "connections add" in str(run.error_summary)
    found = agency.engine.discover()
    assert (found.lost, len(found.accounts)) == ((), 4)
    place.sim.journal.clear()
    again = agency.sync(3)
    assert again.status is Status.FAIL
    assert "is revoked" in str(again.error_summary)
    assert "connections add" in str(again.error_summary)
    assert len(place.sim.journal) == 0, "nobody is asked with a token that is dead"
    assert agency.sync(2).status is Status.SUCCESS


def test_a_token_that_was_renewed_meanwhile_goes_on_as_the_new_one(agency: Agency) -> None:
    place, row = agency.place, agency.rows["A"]
    place.pass_days(45)
    agency.engine.discover()
    steps: list[Progress] = []

    def renew(step: Progress) -> None:
        if not steps:
            assert place.renew(row, force=True).is_renewed
            assert not place.works(agency.tokens["A"]), "the old one is revoked"
        steps.append(step)

    run = agency.sync(1, renew)
    assert (run.status, run.connection_id) == (Status.SUCCESS, row.connection_id)
    assert agency.state("A") == "active"
    assert agency.is_whole(1)


def test_the_token_of_the_environment_gives_way_too(agency: Agency) -> None:
    place = agency.place
    agency.connect("C", [0])
    place.sim.tokens.revoke(place.sim.token)
    assert [one.partition(":")[0] for one in agency.engine.discover().problems] == [
        "META_ACCESS_TOKEN"
    ]
    run = agency.sync(0)
    assert (run.status, run.connection_id) == (Status.SUCCESS, agency.rows["C"].connection_id)
    assert place.sim.token not in place.dump()


def test_a_broken_connection_beside_four_good_ones(agency: Agency) -> None:
    """Of five lists one is refused, one is dead and one does not open: the others come whole."""
    place = agency.place
    for name, number in (("C", 3), ("D", 1), ("E", 3)):
        agency.connect(name, [number])
    agency.engine.discover()
    place.sim.tokens.revoke(agency.tokens["A"])
    place.sim.tokens.expire_data_access(agency.tokens["C"])
    place.change(
        "UPDATE meta_ads.connection_tokens SET sealed = sealed || '\\x00' WHERE connection_id = %s",
        agency.rows["E"].connection_id,
    )
    added = agency.connect("F", [0, 3])
    found = agency.engine.discover()
    assert {row.account_id for row in found.accounts} == set(place.ids)
    assert found.lost == ()
    told = {one.partition(" (")[0].partition(":")[0] for one in found.problems}
    assert told == {"A", "C", "E"}
    runs = [agency.sync(number) for number in range(4)]
    assert [run.status for run in runs] == [Status.SUCCESS] * 4
    assert runs[3].connection_id == added.connection_id


def test_of_no_list_at_all_the_first_error_is_told(agency: Agency) -> None:
    place = agency.place
    agency.engine.discover()
    for token in (place.sim.token, *agency.tokens.values()):
        place.sim.tokens.revoke(token)
    with pytest.raises(Reauthorize):
        agency.engine.discover()
    assert len(place.warehouse.accounts.all(accessible_only=True)) == 4


def test_only_chosen_accounts_come_into_the_tables(agency: Agency) -> None:
    place, ids = agency.place, agency.place.ids
    place.change(
        "UPDATE meta_ads.connections SET chosen_accounts = to_jsonb(%s::text[]) "
        "WHERE connection_id = %s",
        [ids[3]],
        agency.rows["B"].connection_id,
    )
    place.book.remove(agency.rows["A"])
    agency.engine.discover()
    assert {row.account_id for row in place.warehouse.accounts.all()} == {ids[0], ids[3]}


def test_an_app_at_its_limit_stops_its_own_connections_only(agency: Agency) -> None:
    place = agency.place
    place.sim.tokens.add_app(OTHER_APP)
    other = place.issue(
        user_id="7777", user_name="Other", app_id=OTHER_APP.id, accounts=[place.ids[3]]
    )
    place.book.remove(agency.rows["B"])
    row = place.book.add(other)
    place.sim.limits.use_app(100, OTHER_APP.id)
    agency.engine.discover()
    stopped, goes = agency.sync(3), agency.sync(1)
    assert (stopped.status, stopped.app_key) == (Status.THROTTLED, f"app_{OTHER_APP.id}")
    assert stopped.connection_id == row.connection_id
    assert f"app {OTHER_APP.id}" in str(stopped.error_summary)
    assert (goes.status, goes.app_key) == (Status.SUCCESS, "app")
    keys = {key for (key,) in place.query("SELECT key FROM meta_ads.usage_readings")}
    assert f"app_{OTHER_APP.id}" in keys
    place.sim.limits.relieve()
    place.sim.limits.use_app(100)
    place.change("DELETE FROM meta_ads.usage_readings")
    assert agency.sync(3).status is Status.SUCCESS
    assert agency.sync(1).status is Status.THROTTLED


def test_each_app_has_a_budget_of_its_own(agency: Agency) -> None:
    place = agency.place
    place.sim.tokens.add_app(OTHER_APP)
    place.book.remove(agency.rows["B"])
    agency.connect("Other", [3], app_id=OTHER_APP.id)
    agency.engine.discover()
    assert agency.sync(1).status is Status.SUCCESS
    spent = place.query("SELECT sum(weighted_cost) FROM meta_ads.meta_api_hours")[0][0]
    tight = agency.engine.changed(daily_budget_of_app=float(spent))
    same_app = tight.sync(SyncRequest(place.ids[2], force=True))
    assert same_app.status is Status.THROTTLED
    assert "the app" in str(same_app.error_summary)
    other = tight.sync(SyncRequest(place.ids[3], force=True))
    assert other.status is Status.SUCCESS, other.error_summary
    per_app = dict(
        place.query("SELECT app_key, sum(weighted_cost) FROM meta_ads.meta_api_hours GROUP BY 1")
    )
    assert per_app.keys() == {"app", f"app_{OTHER_APP.id}"}
    again = agency.engine.changed(daily_budget_of_app=1.0).sync(
        SyncRequest(place.ids[3], force=True)
    )
    assert again.status is Status.THROTTLED
    assert f"app {OTHER_APP.id}" in str(again.error_summary)
    assert place.warehouse.runs.apps([*place.ids[:2], place.ids[3]]) == {
        place.ids[0]: "app",
        place.ids[1]: "app",
        place.ids[3]: f"app_{OTHER_APP.id}",
    }


def test_without_the_environment_stored_connections_are_enough(database_url: str) -> None:
    with place_of(database_url, accounts=2) as place:
        place.book.add(place.issue(accounts=place.ids))
        with engine_of(place, has_environment=False) as engine:
            assert len(engine.discover().accounts) == 2
            assert engine.sync(SyncRequest(place.ids[0])).status is Status.SUCCESS


def test_the_token_of_the_environment_alone_costs_no_call_and_is_written_nowhere(
    database_url: str,
) -> None:
    with place_of(database_url, accounts=2) as place, engine_of(place) as engine:
        engine.discover()
        calls = []
        for one, account_id in zip(
            (engine, engine.changed(connections=None)), place.ids, strict=True
        ):
            place.sim.journal.clear()
            assert one.sync(SyncRequest(account_id)).status is Status.SUCCESS
            calls.append(len(place.sim.journal))
        assert calls[0] == calls[1]
        assert place.query("SELECT DISTINCT connection_id, app_key FROM meta_ads.sync_runs") == [
            (None, "app")
        ]
        assert place.query("SELECT count(*) FROM meta_ads.connection_tokens") == [(0,)]
        assert place.query("SELECT count(*) FROM meta_ads.token_health") == [(0,)]
        assert place.sim.token not in place.dump()
