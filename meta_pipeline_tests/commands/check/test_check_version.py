"""`check` says how long the API version lives, and what Meta's answers say of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from meta_pipeline.graph import version_state
from meta_pipeline_tests.commands.test_sync_command import Shell, shell

__all__ = ["shell"]


def _versions(shell: Shell) -> list[dict[str, Any]]:
    result = shell.run("check", "--json")
    return [one for one in json.loads(result.output) if one["what"] == "API version"]


def test_check_names_the_version_and_its_life(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("v25.0", "v26.0", "v27.0"):
        monkeypatch.setenv("META_API_VERSION", version)
        before = version_state(version, datetime.now(UTC).date())
        (found,) = _versions(shell)
        # The day may end in between, and a day fewer is left.
        states = [before, version_state(version, datetime.now(UTC).date())]
        said = (found["text"], found["ok"], found["fix"])
        assert found["subject"] == version
        assert said in [(state.text, state.ok, state.fix) for state in states]


def test_check_names_an_expired_version_with_the_way_out(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("META_API_VERSION", "v24.0")
    result = shell.run("check")
    assert result.exit_code == 1
    assert "expired on 2026-11-10" in result.output
    assert "META_API_VERSION=v26.0" in result.output


def test_check_tells_what_metas_answers_say_of_the_version(shell: Shell) -> None:
    shell.sim.contract.upgrade_version("v26.0", "v27.0")
    _, notice = _versions(shell)
    assert not notice["ok"]
    assert "auto-upgraded to v27.0" in notice["text"]
