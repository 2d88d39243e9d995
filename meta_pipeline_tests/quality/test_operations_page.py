"""docs/operations.md names every check, alert and setting there is, with its true figures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import AliasChoices

from meta_pipeline.alerts import AlertLimits, ConditionKind
from meta_pipeline.alerts.message import _TITLES
from meta_pipeline.definitions import defs
from meta_pipeline.orchestration.defs.quality import DATA_QUALITY_KEY
from meta_pipeline.orchestration.metric_metadata import RECONCILES
from meta_pipeline.quality import CHECKS, TOKEN_CHECK
from meta_pipeline.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")


def test_every_check_is_explained_beside_its_table() -> None:
    for check in (*CHECKS, TOKEN_CHECK):
        assert f"| `{check.name}` | `{check.table}` |" in PAGE
    assert f"`{DATA_QUALITY_KEY.to_user_string()}`" in PAGE
    assert f"`{RECONCILES}`" in PAGE


@pytest.mark.parametrize("kind", list(ConditionKind))
def test_every_kind_of_alert_is_explained(kind: ConditionKind) -> None:
    assert f"| {_TITLES[kind].lower()} |" in PAGE


def test_the_settings_it_names_exist() -> None:
    known = {
        str(field.validation_alias.choices[0])
        for field in Settings.model_fields.values()
        if isinstance(field.validation_alias, AliasChoices)
    }
    named = set(re.findall(r"`(META_[A-Z_]+?)(?:_FILE)?[`=]", PAGE))
    assert named - known == set()
    wanted = {name for name in known if name.startswith(("META_ALERT", "META_DAGSTER"))}
    parts = {"META_ALERT_EMAIL_" + part for part in ("FROM", "USER", "PASSWORD", "SECURITY")}
    assert wanted - named - parts == {"META_ALERT_LOG"} - named


def test_its_figures_are_the_defaults() -> None:
    settings, limits = Settings.load(env_file=None), AlertLimits()
    assert f"`META_ALERT_STALE_HOURS` ({settings.alert_stale_hours:g})" in PAGE
    assert f"`META_ALERT_STALE_QUIET_HOURS` ({settings.alert_stale_quiet_hours:g})" in PAGE
    assert f"`META_ALERT_THROTTLED_HOURS` ({settings.alert_throttled_hours:g})" in PAGE
    assert f"`META_ALERT_ERROR_RATE_PCT` ({settings.alert_error_rate_pct:g})" in PAGE
    assert f"insights of {limits.days} days" in PAGE
    assert f"error above {limits.tolerance_pct:g} %" in PAGE
    assert f"a week's spend is {limits.quiet_spend:g} or less" in PAGE
    assert f"with {settings.dagster_history_days} days" in PAGE


def test_the_clock_it_tells_is_that_of_the_schedules() -> None:
    crons = {one.name: str(one.cron_schedule) for one in defs.get_repository_def().schedule_defs}
    minute, hour, *_ = crons["maintenance"].split()
    assert f"{int(hour):02}:{minute} UTC" in PAGE
    assert crons["data_quality"].endswith(" * * * *")
