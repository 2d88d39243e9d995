"""Any order of edits, time, faults and reads: a patient client ends with the world's content."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from meta_pipeline.simulator import (
    AccountSpec,
    EditRefusedError,
    Fault,
    Simulator,
    VirtualClock,
    World,
)
from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.api.limits import throttles
from meta_pipeline.simulator.pytest_plugin import START, new_world
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

EDGES = ("campaigns", "adsets", "ads")
EVERY = {
    "campaigns": '["ACTIVE","PAUSED","DELETED","ARCHIVED","IN_PROCESS","WITH_ISSUES"]',
    "adsets": '["ACTIVE","PAUSED","DELETED","ARCHIVED","IN_PROCESS","WITH_ISSUES",'
    '"CAMPAIGN_PAUSED"]',
    "ads": '["ACTIVE","PAUSED","DELETED","PENDING_REVIEW","DISAPPROVED","PREAPPROVED",'
    '"PENDING_BILLING_INFO","CAMPAIGN_PAUSED","ARCHIVED","ADSET_PAUSED","IN_PROCESS",'
    '"WITH_ISSUES"]',
}
FAULTS = (
    Fault.drop_connection(),
    Fault.truncate(after=3),
    Fault.html_200(),
    Fault.empty_200(),
    Fault.not_json(),
    Fault.empty_page_with_next(),
    Fault.error_of(errors.unavailable()),
    Fault.error_of(errors.unknown_error()),
    Fault.error_of(throttles.too_many_calls("ads_management")),
)


class Patient:
    """Retries everything, follows `next`, restarts an edge whose cursor died."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim

    def rows(self, edge: str) -> dict[str, Any]:
        account = self.sim.world.accounts()[0].id
        params: dict[str, str] = {"fields": "id,name,effective_status", "limit": "4",
                                  "effective_status": EVERY[edge],
                                  "access_token": self.sim.token}  # fmt: skip
        url: str | None = f"{self.sim.url}/v26.0/{account}/{edge}"
        found: dict[str, Any] = {}
        while url:
            body = self._body(url, params)
            found |= {row["id"]: row for row in body["data"]}
            url, params = body.get("paging", {}).get("next"), {}
        return found

    def _body(self, url: str, params: dict[str, str]) -> Any:
        for _ in range(40):
            try:
                body = requests.get(url, params=params, timeout=PATIENCE_SECONDS).json()
            except (requests.RequestException, ValueError):
                continue
            if "data" in body:
                return body
            self.sim.sleep(60)
        raise AssertionError(f"no answer after forty attempts:\n{self.sim.journal.table()}")


class Convergence(RuleBasedStateMachine):
    sim: Simulator

    @initialize(seed=st.integers(0, 1000))
    def start(self, seed: int) -> None:
        spec = AccountSpec("Shifting", 3, 5, 12, (1, 2, 4))
        clock = VirtualClock(START)
        self.sim.reset(World(seed=seed, clock=clock, accounts=(spec,)))
        self.added = 0

    def pick(self, edge: str, at: int) -> str:
        objects = self.sim.world.objects(edge, self.sim.world.accounts()[0].id)
        return str(objects[at % len(objects)].id)

    @rule(
        edge=st.sampled_from(EDGES),
        at=st.integers(0, 99),
        edit=st.sampled_from(["pause", "activate", "archive", "delete"]),
    )
    def edit(self, edge: str, at: int, edit: str) -> None:
        with suppress(EditRefusedError):  # archived and deleted things stay so, as at Meta
            getattr(self.sim.world, edit)(self.pick(edge, at))

    @rule(edge=st.sampled_from(EDGES), at=st.integers(0, 99), name=st.text(max_size=30))
    def rename(self, edge: str, at: int, name: str) -> None:
        self.sim.world.rename(self.pick(edge, at), name or "x")

    @precondition(lambda self: self.added < 6)
    @rule(at=st.integers(0, 99))
    def add(self, at: int) -> None:
        self.added += 1
        self.sim.world.add_ad(self.pick("adsets", at))

    @rule(seconds=st.integers(0, 86_400))
    def wait(self, seconds: int) -> None:
        self.sim.sleep(seconds)

    @rule(edge=st.sampled_from(EDGES), fault=st.sampled_from(FAULTS), call=st.integers(1, 4))
    def break_something(self, edge: str, fault: Fault, call: int) -> None:
        self.sim.fail("GET", f"/{edge}", on_call=call, with_=fault)

    @rule(edge=st.sampled_from(EDGES))
    def read_with_faults(self, edge: str) -> None:
        assert self.names(edge, Patient(self.sim).rows(edge)) == self.truth(edge)

    @invariant()
    def nobody_asked_for_what_is_not_there(self) -> None:
        assert self.sim.journal.unexpected() == []

    def truth(self, edge: str) -> dict[str, tuple[Any, Any]]:
        account = self.sim.world.accounts()[0].id
        return self.names(
            edge, {entity.id: entity.values for entity in self.sim.world.objects(edge, account)}
        )

    @staticmethod
    def names(_edge: str, rows: Any) -> dict[str, tuple[Any, Any]]:
        return {key: (row.get("name"), row["effective_status"]) for key, row in rows.items()}

    def teardown(self) -> None:
        self.sim.faults.clear()
        for edge in EDGES:
            assert self.names(edge, Patient(self.sim).rows(edge)) == self.truth(edge)


@pytest.fixture
def machine(graph_simulator_server: Simulator) -> Iterator[type[Convergence]]:
    yield type("Machine", (Convergence,), {"sim": graph_simulator_server})
    graph_simulator_server.reset(new_world())


def test_a_patient_client_always_ends_with_the_world(machine: type[Convergence]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
