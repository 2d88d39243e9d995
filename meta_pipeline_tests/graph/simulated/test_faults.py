"""A passing fault loses nothing, a lasting one ends in its own error."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from meta_pipeline.graph import (
    Attempt,
    CursorLost,
    GraphClient,
    GraphError,
    MalformedAnswer,
    PagingLoop,
    Reauthorize,
    RetryPolicy,
    ServerTrouble,
    Throttled,
    TooMuchData,
    VersionExpired,
)
from meta_pipeline.simulator import Fault, Simulator
from meta_pipeline_tests.graph.simulated.reading import new_client, read, world_ids
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

PASSING: dict[str, Callable[[], Fault]] = {
    "drop": Fault.drop_connection,
    "reset": Fault.reset_connection,
    "truncate": Fault.truncate,
    "stall": lambda: Fault.stall(2.0),
    "stall in the body": lambda: Fault.stall(2.0, after=20),
    "502 html": lambda: Fault.http(502, "<html>Bad gateway</html>"),
    "200 html": Fault.html_200,
    "200 empty": Fault.empty_200,
    "200 cut JSON": Fault.not_json,
    "200 list": Fault.wrong_shape,
    "200 string": lambda: Fault.wrong_shape(b'"Service temporarily unavailable"'),
    "no data": Fault.missing_data,
    "null rows": Fault.null_rows,
    "code 2": lambda: Fault.graph_error(2, status=503, transient=True),
    "code 1/99": lambda: Fault.graph_error(1, 99, status=500),
    "too much": Fault.too_much_data,
    "empty page": Fault.empty_page_with_next,
    "new content": lambda: Fault.unknown_content(invented="x", effective_status="TOMORROW"),
    "5044001": lambda: Fault.graph_error(613, 5044001),
}
STALLS = (PASSING["stall"], PASSING["stall in the body"])


@pytest.mark.each_value
@pytest.mark.parametrize("on_call", [1, 3, 8], ids=["first", "middle", "last"])
@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_passing_fault_loses_nothing(
    sim: Simulator,
    log: list[Attempt],
    account_id: str,
    fault: Callable[[], Fault],
    on_call: int,
) -> None:
    if fault == Fault.empty_page_with_next:
        on_call += on_call == 1  # on a first page this fault has no cursor of the edge to give
    sim.fail("GET", "/ads", with_=fault(), on_call=on_call)
    # Shorter than a stall; of other faults no busy machine shall make one.
    patience_seconds = 1 if fault in STALLS else PATIENCE_SECONDS
    with new_client(sim, on_attempt=log.append, read_timeout_seconds=patience_seconds) as client:
        got = read(client, account_id)
    assert sorted(got) == sorted(world_ids(sim, account_id, "ads"))
    assert len(log) <= 17


ENDING: dict[str, tuple[Callable[[], Fault], type[GraphError], int]] = {
    "80004": (lambda: Fault.graph_error(80004, 2446079), Throttled, 1),
    "190/463": (lambda: Fault.graph_error(190, 463), Reauthorize, 1),
    "2642": (Fault.cursor_expired, CursorLost, 1),
    "2635": (lambda: Fault.graph_error(2635), VersionExpired, 1),
    "same cursor": (Fault.same_cursor_twice, PagingLoop, 1),
    "html": (Fault.html_200, MalformedAnswer, 4),
    "code 2": (lambda: Fault.graph_error(2, status=503), ServerTrouble, 4),
    "too much": (Fault.too_much_data, TooMuchData, 7),
}


@pytest.mark.parametrize(("fault", "expected", "calls"), ENDING.values(), ids=ENDING)
def test_a_lasting_fault_ends_in_its_own_error_and_few_calls(
    sim: Simulator,
    client: GraphClient,
    log: list[Attempt],
    account_id: str,
    fault: Callable[[], Fault],
    expected: type[GraphError],
    calls: int,
) -> None:
    sim.fail("GET", "/ads", with_=fault(), on_call=2, times=100)
    with pytest.raises(expected) as caught:
        read(client, account_id)
    assert caught.value.account_id == account_id
    assert len(log) == 1 + calls


def test_no_retry_means_none(sim: Simulator, log: list[Attempt], account_id: str) -> None:
    sim.fail("GET", "/ads", with_=Fault.html_200())
    with (
        new_client(sim, on_attempt=log.append, retry=RetryPolicy(retries=0)) as client,
        pytest.raises(MalformedAnswer),
    ):
        read(client, account_id)
    assert len(log) == 1
