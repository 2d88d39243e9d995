"""What benchmarks share leaves nothing behind, however they end."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

import benchmarks.__main__ as benches
from benchmarks import run_files, simulator_pages
from benchmarks._lab import database


def test_a_benchmark_that_fails_leaves_no_server_and_no_folder() -> None:
    folder = Path(tempfile.gettempdir()) / f"meta-pipeline-bench-{os.getpid()}"

    def fail() -> None:
        with database():
            assert folder.is_dir()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not folder.exists()


def test_a_benchmark_that_fails_is_named_and_the_others_are_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran = []

    def start(name: str) -> int:
        ran.append(name)
        return int(name == "simulator_pages")

    assert benches.main(["simulator_pages", "run_files"], start) == 1
    assert ran == ["simulator_pages", "run_files"]
    assert "Failed: simulator_pages" in capsys.readouterr().out
    assert benches.main(["run_files", "run_files"], start) == 0
    assert benches.main([], start) == 1
    assert ran[4:] == benches.names()
    assert benches.in_its_own_process("no_such_one") == 2


def test_a_benchmark_alone_fails_with_what_was_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(run_files, "main", fail)
    assert benches.main(["run_files"]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    monkeypatch.setattr(run_files, "main", lambda: None)
    assert benches.main(["run_files"]) == 0


def test_the_simulator_answers_the_benchmark_of_its_pages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(simulator_pages, "TIMED_SECONDS", 0)
    simulator_pages.main()
    assert capsys.readouterr().out.count("pages/s") == len(simulator_pages.CASES)
