"""`doctor api-version`: what the next version takes away, said before it is set."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from facebook_business.adobjects.adsinsights import AdsInsights
from facebook_business.apiconfig import ads_api_config
from typer.testing import CliRunner, Result

from meta_pipeline.cli import app
from meta_pipeline.commands.doctor import asked_names
from meta_pipeline.graph import versions
from meta_pipeline.settings import Settings


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return monkeypatch


def run(*given: str) -> Result:
    result = CliRunner().invoke(app, ["doctor", "api-version", *given])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def facts(*given: str) -> Any:
    return json.loads(run(*given, "--json").stdout)


def test_the_version_in_use_is_looked_up_in_the_one_table(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("META_API_VERSION", "v25.0")
    ends = next(one.ends for one in versions.TABLE if one.name == "v25.0")
    assert ends is not None
    before = (ends - datetime.now(UTC).date()).days
    found = facts()
    # The day may end in between.
    assert before >= found["days_left"] >= (ends - datetime.now(UTC).date()).days
    assert (found["version"], found["looked_at"]) == ("v25.0", "v26.0")
    assert f"lives until {ends}" in run().stdout


def test_an_expired_version_is_exit_code_1(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("META_API_VERSION", versions.TABLE[-1].name)
    result = run()
    assert result.exit_code == 1
    assert "expired" in result.stdout
    assert "META_API_VERSION=" in result.stdout


def test_there_is_none_after_the_newest(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("META_API_VERSION", versions.TABLE[0].name)
    result = run()
    assert result.exit_code == 0
    assert "No newer version was known" in result.stdout


@pytest.mark.parametrize("name", ["spend", "action*"])
def test_what_the_table_says_is_gone_is_lost_to_our_queries(
    patch: pytest.MonkeyPatch, name: str
) -> None:
    newest = replace(versions.TABLE[0], gone={"AdsInsights": (name, "never_asked")})
    patch.setattr(versions, "TABLE", (newest, *versions.TABLE[1:]))
    patch.setenv("META_API_VERSION", versions.TABLE[1].name)
    found = facts()
    lost = found["lost"]["AdsInsights"]
    assert lost == (["spend"] if name == "spend" else ["action_values", "actions"])
    result = run()
    assert result.exit_code == 1
    assert f"{newest.name} has no {', '.join(lost)} (AdsInsights)" in result.stdout


def test_what_the_sdk_of_the_next_version_lacks_is_lost(patch: pytest.MonkeyPatch) -> None:
    sdk = str(ads_api_config["API_VERSION"])
    before = next(
        one.name for one in versions.TABLE if versions.number(one.name) < versions.number(sdk)
    )
    patch.setenv("META_API_VERSION", before)
    assert facts()["lost"] == {}
    fields = {k: v for k, v in AdsInsights._field_types.items() if k != "inline_link_clicks"}
    patch.setattr(AdsInsights, "_field_types", fields)
    assert facts(sdk)["lost"] == {"AdsInsights": ["inline_link_clicks"]}
    assert facts("v99.0")["unknown"] == {"AdsInsights": ["inline_link_clicks"]}
    assert f"Meta's SDK is of {sdk}" in facts("v99.0")["sdk_says"]
    assert "says nothing of v99.0" in facts("v99.0")["sdk_says"]
    assert "says nothing" not in facts(sdk)["sdk_says"]


def test_without_the_sdk_the_table_alone_answers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("meta_pipeline.commands.doctor._SDK", "no_such_sdk")
    result = run()
    assert "pip install facebook-business" in result.stdout
    assert facts()["sdk"] is None


def test_what_the_settings_ask_for_is_asked_about(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("META_BREAKDOWNS", "age,gender;country")
    asked = asked_names(Settings.load())
    assert asked["breakdowns"] == {"age", "gender", "country"}
    assert "learning_stage_info" in asked["AdSet"]
    older = replace(versions.TABLE[0], gone={"breakdowns": ("country",)})
    patch.setattr(versions, "TABLE", (older, *versions.TABLE[1:]))
    assert facts()["lost"] == {"breakdowns": ["country"]}


@pytest.mark.parametrize("given", ["27", "v", "v27", "latest", "[/b]", "\x1b[2J", "v27.0.0"])
def test_what_is_no_version_is_told(patch: pytest.MonkeyPatch, given: str) -> None:
    result = run(given)
    assert result.exit_code == 2
    assert "\x1b" not in result.output
