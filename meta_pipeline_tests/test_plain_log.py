"""The log as JSON: constant messages, facts as fields, no secret, from every process of ours."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.orchestration.session import log_progress
from meta_pipeline.plain_log import PlainFormatter, as_json
from meta_pipeline.settings import current
from meta_pipeline.sync import Progress

TOKEN = "EAAVERYSECRETTOKEN1234"


def record(message: str, /, *values: object, **facts: object) -> logging.LogRecord:
    made = logging.LogRecord("meta_pipeline.sync", logging.INFO, "", 0, message, values, None)
    made.facts = facts
    return made


def test_the_message_is_constant_and_facts_are_fields() -> None:
    told = json.loads(
        as_json(record("waiting %.1f s: %s", 12.5, "full", account_id="act_1", wait_seconds=12.5))
    )
    assert told["message"] == "waiting %.1f s: %s"
    assert told["text"] == "waiting 12.5 s: full"
    assert (told["account_id"], told["wait_seconds"]) == ("act_1", 12.5)
    assert (told["level"], told["logger"]) == ("INFO", "meta_pipeline.sync")
    assert datetime.fromisoformat(told["time"]).tzinfo is not None


@given(
    text=st.text(),
    facts=st.dictionaries(
        st.text(min_size=1), st.none() | st.text() | st.integers() | st.floats(allow_nan=False)
    ),
)
def test_any_record_is_one_line_of_json_that_no_fact_disguises(
    text: str, facts: dict[str, Any]
) -> None:
    line = as_json(record("%s", text, **{"level": "x", "message": "y"} | facts))
    assert "\n" not in line
    assert line.isascii()
    told = json.loads(line)
    assert (told["level"], told["message"]) == ("INFO", "%s")


def test_no_secret_is_in_a_line() -> None:
    moment = datetime(2026, 3, 18, tzinfo=UTC)
    line = as_json(
        record(
            "asked %s",
            f"?access_token={TOKEN}",
            error=OSError(TOKEN),
            at=moment,
            kept=f"of {TOKEN}",
        )
    )
    assert TOKEN not in line
    failed = record("asked %s", f"?access_token={TOKEN}")
    try:
        raise OSError(f"postgresql://meta:{TOKEN}@db, Bearer {TOKEN}")
    except OSError:
        failed.exc_info = sys.exc_info()
    for told in (PlainFormatter().format(failed), as_json(failed)):
        assert TOKEN not in told
        assert "OSError" in told
    assert json.loads(line)["at"] == "2026-03-18T00:00:00+00:00"


@pytest.mark.parametrize("form", ["text", "json"])
def test_one_setting_decides(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setenv("META_LOG_FORMAT", form)
    current.cache_clear()
    try:
        line = PlainFormatter("%(message)s").format(record("%s", "2\x1b[2JShop"))
    finally:
        current.cache_clear()
    assert "\x1b" not in line
    assert line.startswith("{") is (form == "json")


def test_progress_says_its_facts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log_progress(Progress("act_1", "insights", rows=7, calls=3, seconds=1.25))
    told = json.loads(as_json(caplog.records[-1]))
    assert told["account_id"] == "act_1"
    assert (told["calls"], told["rows"], told["step"]) == (3, 7, "insights")
    assert "act_1" not in told["message"]


@pytest.mark.parametrize(
    "begin",
    [
        "from meta_pipeline.plain_log import keep_plain; keep_plain()",  # a command
        "from meta_pipeline.plain_log import show_log; show_log()",  # a service
        "from meta_pipeline.orchestration import resources; resources.show_log()",  # a run, a tick
    ],
    ids=["command", "service", "run"],
)
def test_every_process_writes_json_to_standard_error(
    begin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("META_LOG_FORMAT", "json")
    code = (
        f"{begin}\nimport logging\n"
        "logging.getLogger('meta_pipeline.sync').warning("
        "'throttled: %s', 'full', extra={'facts': {'account_id': 'act_1'}})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (line,) = done.stderr.splitlines()
    assert json.loads(line)["account_id"] == "act_1"
