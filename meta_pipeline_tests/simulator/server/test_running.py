"""The simulator as a process of its own, as the demo starts it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date

import pytest
import requests

from meta_pipeline.simulator import serve
from meta_pipeline.simulator.__main__ import main
from meta_pipeline_tests.waiting import PATIENCE_SECONDS


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-m", "meta_pipeline.simulator", "--port", "0", "--token", "T1",
         "--calls-per-hour", "3", "--stop-with-parent"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield started
    started.kill()
    started.wait()
    for stream in (started.stdout, started.stderr):
        assert stream is not None
        stream.close()


def test_a_process_says_when_it_is_ready_and_stops_when_told(
    process: subprocess.Popen[str],
) -> None:
    assert process.stdout is not None
    word, url = process.stdout.readline().split()
    assert word == "ready"
    assert requests.get(f"{url}/_sim/ready", timeout=PATIENCE_SECONDS).json()["accounts"] == 12
    found = requests.get(
        f"{url}/v26.0/me/adaccounts?fields=name&access_token=T1", timeout=PATIENCE_SECONDS
    )
    assert found.json()["data"][0]["name"] == "2EZi"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE_SECONDS) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_an_anchor_fixes_the_past() -> None:
    lines: list[str] = []

    class Told(Exception):
        pass

    def say(line: str) -> None:
        lines.append(line)
        if len(lines) == 3:
            raise Told

    with pytest.raises(Told):
        serve(port=0, world_name="small", anchor=date(2026, 3, 9), say=say)
    assert "anchor 2026-03-09" in lines[2]


@pytest.mark.parametrize("anchor", ["2026-3-9", "yesterday"])
def test_an_anchor_is_a_date(anchor: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--anchor", anchor])
    assert "--anchor" in capsys.readouterr().err


def test_a_used_port_is_one_sentence(
    process: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert process.stdout is not None
    port = process.stdout.readline().split(":")[-1].strip()
    assert main(["--port", port]) == 2
    assert f"port {port} on 127.0.0.1 is not free" in capsys.readouterr().err


def test_coverage_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["coverage"]) == 0
    assert "AdAccount" in capsys.readouterr().out
