"""`check` asks Meta with the configured windows and breakdowns, and names the setting at fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meta_pipeline.commands.check.settings import settings_asked
from meta_pipeline.graph import GraphClient
from meta_pipeline.settings import Settings
from meta_pipeline.simulator import Fault, Simulator, WallClock, World
from meta_pipeline_tests.sync.lab import SMALL


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator(World(seed=5, clock=WallClock(), accounts=(SMALL,))) as running:
        yield running


def _asked(sim: Simulator, **values: Any) -> dict[str, str | None]:
    settings = Settings.load(env_file=None, **values)
    account_id = sim.world.accounts()[0].id
    with GraphClient(access_token=sim.token, base_url=sim.url) as client:
        found = list(settings_asked(client, settings, account_id))
    return {f"{setting} {value}": fix for setting, value, _, fix in found}


def test_what_meta_takes_is_well(sim: Simulator) -> None:
    found = _asked(sim, META_BREAKDOWNS="age,gender;country")
    assert found == {
        "META_ATTRIBUTION_WINDOWS 1d_click,7d_click,1d_view": None,
        "META_BREAKDOWNS age,gender": None,
        "META_BREAKDOWNS country": None,
    }


@pytest.mark.parametrize(
    ("parameter", "value", "setting", "values"),
    [
        ("action_attribution_windows", "1d_view", "META_ATTRIBUTION_WINDOWS", {}),
        ("breakdowns", "gender", "META_BREAKDOWNS", {"META_BREAKDOWNS": "age,gender;country"}),
    ],
)
def test_what_meta_does_not_take_is_named_with_its_setting(
    sim: Simulator, parameter: str, value: str, setting: str, values: dict[str, str]
) -> None:
    sim.contract.remove_value(parameter, value)
    try:
        fixes = [fix for fix in _asked(sim, **values).values() if fix]
    finally:
        sim.reset()
    assert fixes == [f"Take {value} out of {setting}: Meta does not take it."]


def test_breakdowns_that_do_not_go_together_are_named(sim: Simulator) -> None:
    fixes = [fix for fix in _asked(sim, META_BREAKDOWNS="age,country").values() if fix]
    assert fixes == ["Take age,country out of META_BREAKDOWNS: Meta does not take it."]


def test_custom_reports_are_asked_too(sim: Simulator, tmp_path: Path) -> None:
    file = tmp_path / "reports.yaml"
    file.write_text(
        "reports: [{preset: reactions}, {preset: country, accounts: [act_1]},"
        " {name: odd, fields: spend, breakdowns: [age, country], unlisted_combination: true}]"
    )
    found = _asked(sim, META_REPORTS_FILE=file)
    assert {name: fix for name, fix in found.items() if name.startswith("META_REPORTS")} == {
        "META_REPORTS_FILE reactions": None,
        "META_REPORTS_FILE odd": "Change report odd in META_REPORTS_FILE: "
        "Meta does not take its breakdowns age,country.",
    }


def _refuse(sim: Simulator, named: str, said: str) -> None:
    """Refuse so every question that names it anywhere."""
    account_id = sim.world.accounts()[0].id
    sim.fail(
        "GET", f"{account_id}/insights", times=None,
        until=lambda request: named not in json.dumps(request.params),
        with_=Fault.graph_error(100, message=said),
    )  # fmt: skip


SAID = (
    "Invalid parameter",
    "(#100) action_attribution_windows[0] must be one of the following values: 1d_view",
    "(#100) breakdowns[0] must be one of the following values: age",
    "(#100) breakdowns[9] must be one of the following values: age",
)


CHANGE = "Change report mine in META_REPORTS_FILE: Meta does not take its"


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize(
    ("refused", "fixes"),
    [
        ("1d_view", {"META_ATTRIBUTION_WINDOWS 1d_click,7d_click,1d_view":
                     "Take 1d_view out of META_ATTRIBUTION_WINDOWS: Meta does not take it."}),
        ("gender", {"META_BREAKDOWNS age,gender":
                    "Take gender out of META_BREAKDOWNS: Meta does not take it."}),
        ("country", {"META_BREAKDOWNS country":
                     "Take country out of META_BREAKDOWNS: Meta does not take it."}),
        ("inline_link_clicks", {"META_REPORTS_FILE mine": f"{CHANGE} fields inline_link_clicks."}),
        ("28d_click", {"META_REPORTS_FILE mine":
                       f"{CHANGE} action_attribution_windows 28d_click."}),
    ],
)  # fmt: skip
def test_what_is_refused_without_its_name_is_found_by_asking(
    sim: Simulator, tmp_path: Path, said: str, refused: str, fixes: dict[str, str]
) -> None:
    file = tmp_path / "reports.yaml"
    file.write_text(
        "reports: [{name: mine, fields: [spend, clicks, inline_link_clicks], "
        "attribution_windows: [1d_click, 28d_click], breakdowns: [region]}]"
    )
    _refuse(sim, refused, said)
    try:
        found = _asked(sim, META_BREAKDOWNS="age,gender;country", META_REPORTS_FILE=file)
    finally:
        sim.reset()
    assert {name: fix for name, fix in found.items() if fix} == fixes


@pytest.mark.parametrize("said", SAID)
def test_no_setting_is_at_fault_where_nothing_is_taken(sim: Simulator, said: str) -> None:
    _refuse(sim, "spend", said)
    try:
        fixes = {fix for fix in _asked(sim, META_BREAKDOWNS="age,gender").values() if fix}
    finally:
        sim.reset()
    assert fixes
    assert not any(fix.startswith("Take ") for fix in fixes)
