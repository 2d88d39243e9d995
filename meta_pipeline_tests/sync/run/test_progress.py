"""Nobody waits long without a word: steps with quota and time left, a pulse where none comes."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from meta_pipeline.simulator import Limits
from meta_pipeline.sync import Progress, Status, SyncRequest
from meta_pipeline.sync.progress import Outlook, Pulse, in_words
from meta_pipeline_tests.sync.lab import lab


def test_a_step_tells_the_quota_and_the_time_that_is_left(database_url: str) -> None:
    with lab(database_url, parallel=1, limits=Limits()) as made:
        made.engine.discover()
        made.sim.limits.use(made.account_id, "ads_management", 30)
        assert made.sync().status is Status.SUCCESS
        steps = made.steps
    quota = [step for step in steps if step.quota_pct is not None]
    assert quota
    assert all(0 <= float(step.quota_pct or 0) <= 100 for step in quota)
    assert "quota " in quota[0].sentence
    timed = [step for step in steps if step.seconds_left is not None]
    assert timed
    assert all(step.seconds_left > 0 for step in timed if step.seconds_left is not None)
    assert " left" in timed[0].sentence


def test_a_pulse_comes_only_where_no_step_does() -> None:
    beats, silence = [], threading.Event()

    def report(progress: Progress) -> None:
        beats.append(progress)
        if len(beats) == 3:
            silence.set()

    pulse = Pulse(report, lambda: Progress("act_1", "waiting", 0, 0, 0.0), 0.001)
    with pulse.beating():
        assert silence.wait(60)
    told = len(beats)
    assert told >= 3
    assert not [each for each in threading.enumerate() if each.name == "progress"]


def test_a_report_that_fails_ends_no_sync() -> None:
    tried = threading.Event()

    def report(_: Progress) -> None:
        tried.set()
        raise RuntimeError("the database of the events is away")

    with Pulse(report, lambda: Progress("act_1", "waiting", 0, 0, 0.0), 0.001).beating():
        assert tried.wait(60)


def test_the_time_left_follows_the_plan(database_url: str) -> None:
    with lab(database_url) as made:
        plan = made.engine.plan(SyncRequest(made.account_id))
    outlook = Outlook()
    outlook.begin(plan, 0)
    assert outlook.seconds_left(1, 10) is None, "one call is no speed"
    early, late = outlook.seconds_left(3, 3.0), outlook.seconds_left(4, 4.0)
    assert early is not None
    assert late is None or late < early
    outlook.begin(replace(plan, days_later=0), 100)
    assert outlook.seconds_left(100 + plan.calls, 50.0) is None, "the plan is used up"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (89, "89 s"), (120, "2 min"), (3599, "1 h 0 min"), (4800, "1 h 20 min")],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
