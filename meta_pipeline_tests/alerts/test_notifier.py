"""People are told once when something starts, once when it ends, and never in storms."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meta_pipeline.alerts import (
    AlertStore,
    Condition,
    ConditionKind,
    Email,
    Grade,
    Notifier,
    Webhook,
)
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.alerts.catchers import Hook, Postbox, hook, postbox

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


@pytest.fixture
def slack() -> Iterator[Hook]:
    with hook() as caught:
        yield caught


@pytest.fixture
def mail() -> Iterator[Postbox]:
    with postbox() as caught:
        yield caught


def failing(number: int = 1, **changes: Any) -> Condition:
    given: dict[str, Any] = {
        "key": f"account:act_{number}",
        "kind": ConditionKind.FAILING,
        "grade": Grade.ERROR,
        "subject": f"Shop {number} (act_{number})",
        "cause": "Meta says no (code 200).",
        "what_to_do": "Give access.",
        "since": START - timedelta(hours=3),
        "account_id": f"act_{number}",
        "link": f"/assets/meta/insights?partition=act_{number}",
    }
    return Condition(**(given | changes))


class Room:
    """A notifier with one webhook, and the problems of one source."""

    def __init__(self, warehouse: Warehouse, caught: Hook, **options: Any) -> None:
        self.warehouse = warehouse
        self.notifier = Notifier(
            warehouse.connection,
            [Webhook(caught.url)],
            ui_url="http://dagster.test/",
            **options,
        )
        self.now = START

    def round(self, *conditions: Condition, minutes: float = 0) -> list[Any]:
        """Time passes, the problems are these, and the notifier has its round."""
        self.now += timedelta(minutes=minutes)
        with self.warehouse.connection() as connection:
            AlertStore(connection).replace("accounts", conditions, self.now)
        return self.notifier.tell(self.now)


@pytest.fixture
def room(warehouse: Warehouse, slack: Hook) -> Room:
    return Room(warehouse, slack)


def test_a_problem_is_told_once_with_what_since_when_and_what_to_do(
    room: Room, slack: Hook
) -> None:
    room.round(failing())
    for _ in range(5):
        room.round(failing(), minutes=61)
    (text,) = slack.texts
    assert "1 new problem" in text
    assert "Sync failing: Shop 1 (act_1)" in text
    assert "Since 2026-11-20 05:00 UTC (3 h)" in text
    assert "Meta says no (code 200)." in text
    assert "What to do: Give access." in text
    assert "<http://dagster.test/assets/meta/insights?partition=act_1|Open in Dagster>" in text


def test_back_to_normal_is_told_once(room: Room, slack: Hook) -> None:
    room.round(failing())
    room.round(minutes=70)
    assert len(slack.texts) == 1, "it may only flap"
    for _ in range(3):
        room.round(minutes=10)
    assert len(slack.texts) == 2
    assert "1 back to normal" in slack.texts[1]
    assert "Was: sync failing, 2026-11-20 05:00 UTC to 2026-11-20 09:10 UTC" in slack.texts[1]


def test_a_thousand_failing_accounts_are_one_message(room: Room, slack: Hook) -> None:
    everybody = [failing(number) for number in range(1000)]
    room.round(*everybody)
    for _ in range(30):
        room.round(*everybody, minutes=1)
    (text,) = slack.texts
    assert "1,000 new problems" in text
    assert "1,000 accounts: Shop 0 (act_0), " in text
    assert "and 995 more" in text
    assert text.count("Meta says no") == 1
    assert len(text) < 1000
    room.round(minutes=60)
    room.round(minutes=10)
    assert "1,000 back to normal" in slack.texts[1]


@pytest.mark.slow
def test_a_storm_that_builds_up_is_a_message_and_a_digest(room: Room, slack: Hook) -> None:
    for number in range(1, 61):
        room.round(*map(failing, range(number * 16)), minutes=1)
    room.round(*map(failing, range(1000)), minutes=1)
    assert len(slack.texts) == 2
    assert "984 new problems" in slack.texts[1]
    assert "Still open, as told before: 16" in slack.texts[1]


def test_what_comes_and_goes_within_the_hour_is_never_told(room: Room, slack: Hook) -> None:
    room.round(failing(1))
    for minute in range(50):
        room.round(*([failing(1), failing(2)] if minute % 2 else [failing(1)]), minutes=1)
    room.round(failing(1), minutes=15)
    assert len(slack.texts) == 1
    for minute in range(50):
        room.round(*([failing(1)] if minute % 2 else []), minutes=1)
    room.round(failing(1), minutes=60)
    assert len(slack.texts) == 1, "it was told as open, and it is open"


def test_worse_is_told_again_and_better_is_not(room: Room, slack: Hook) -> None:
    room.round(failing(grade=Grade.WARNING))
    room.round(failing(grade=Grade.ERROR), minutes=61)
    room.round(failing(grade=Grade.WARNING), minutes=61)
    room.round(failing(grade=Grade.ERROR), minutes=61)
    assert len(slack.texts) == 2


def test_what_is_urgent_does_not_wait_for_the_hour(room: Room, slack: Hook) -> None:
    room.round(failing())
    token = failing(
        2, kind=ConditionKind.TOKEN, grade=Grade.URGENT, cause="The token ends tomorrow."
    )
    room.round(failing(), token, minutes=2)
    assert len(slack.texts) == 1
    room.round(failing(), token, minutes=3)
    assert len(slack.texts) == 2
    assert "The token ends tomorrow." in slack.texts[1]


def test_nothing_is_lost_while_the_webhook_is_down(room: Room, slack: Hook) -> None:
    slack.status = 503
    (told,) = room.round(failing())
    assert told.error == "127.0.0.1 answered HTTP 503"
    with room.warehouse.connection() as connection:
        assert AlertStore(connection).channel("webhook").failing_since == START
    room.round(failing(), failing(2), minutes=300)
    slack.status = 200
    room.round(failing(), failing(2), minutes=1)
    (text,) = slack.texts
    assert "2 new problems" in text
    with room.warehouse.connection() as connection:
        assert AlertStore(connection).channel("webhook").failing_since is None


def test_one_dead_channel_does_not_silence_the_other(
    warehouse: Warehouse, slack: Hook, mail: Postbox
) -> None:
    email = Email("127.0.0.1", mail.port, "etl@test", ("ops@test",), security="none")
    with warehouse.connection() as connection:
        AlertStore(connection).replace("accounts", [failing()], START)
    notifier = Notifier(warehouse.connection, [Webhook(slack.url), email])
    slack.status = 500
    outcome = {told.channel: told.error for told in notifier.tell(START)}
    assert outcome == {"webhook": "127.0.0.1 answered HTTP 500", "email": None}
    slack.status = 200
    notifier.tell(START + timedelta(minutes=1))
    assert len(slack.texts) == 1
    assert len(mail.mails) == 1


def test_notifiers_at_the_same_moment_tell_it_once(warehouse: Warehouse, slack: Hook) -> None:
    with warehouse.connection() as connection:
        AlertStore(connection).replace("accounts", [failing()], START)
    notifier = Notifier(warehouse.connection, [Webhook(slack.url)])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(notifier.tell, [START] * 8))
    assert len(slack.texts) == 1


def test_sources_do_not_end_each_others_problems(room: Room) -> None:
    room.round(failing())
    with room.warehouse.connection() as connection:
        store = AlertStore(connection)
        store.replace(
            "checks", [failing(2, key="check:orphans", kind=ConditionKind.CHECK)], room.now
        )
        store.replace("accounts", [], room.now)
        assert [alert.alert_key for alert in store.open()] == ["check:orphans"]
        store.resolve(["check:orphans"], room.now)
        assert store.open() == []
        assert store.forget(room.now + timedelta(days=1)) == 2


def test_the_start_of_a_problem_does_not_move_while_it_is_open(room: Room) -> None:
    room.round(failing())
    room.round(failing(since=START), minutes=10)
    with room.warehouse.connection() as connection:
        (alert,) = AlertStore(connection).open()
    assert alert.opened_at == START - timedelta(hours=3)
    room.round(minutes=10)
    again = room.now
    room.round(failing(since=again), minutes=10)
    with room.warehouse.connection() as connection:
        (alert,) = AlertStore(connection).open()
    assert alert.opened_at == again


def test_simulated_data_says_so(warehouse: Warehouse, slack: Hook) -> None:
    Room(warehouse, slack, is_simulated=True).round(failing())
    assert "[simulated data]" in slack.texts[0]
