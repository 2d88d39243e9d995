"""`reports`: what a file of custom reports says, before anything is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from meta_pipeline.cli import app
from meta_pipeline.custom_reports import PRESETS

TEXT = """
reports:
  - preset: age_gender
  - name: brand
    level: campaign
    fields: [campaign_name, spend, results]
    time_increment: monthly
    accounts: [act_1, act_2]
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    found = tmp_path / "reports.yaml"
    found.write_text(TEXT)
    monkeypatch.setenv("META_REPORTS_FILE", str(found))
    return found


def run(*given: str) -> Result:
    result = CliRunner().invoke(app, ["reports", *given], env={"COLUMNS": "160"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Unexpected" not in result.output
    return result


def test_a_sound_file_is_told_with_what_may_surprise(file: Path) -> None:
    result = run("validate")
    assert result.exit_code == 0
    assert "2 reports are sound." in result.stdout
    assert "13 months" in result.output
    found = json.loads(run("validate", "--json").stdout)
    assert found["reports"] == ["age_gender", "brand"]
    assert found["warnings"][0]["report"] == "age_gender"


def test_a_wrong_file_is_told_in_sentences(file: Path, tmp_path: Path) -> None:
    file.write_text("reports: [{name: a, fields: spent}, {name: b, fields: spend, level: page}]")
    result = run("validate")
    assert result.exit_code == 1
    words = " ".join(result.output.split())
    assert "'spent' is no field of Meta's insights: did you mean" in words
    assert "report b: level:" in words
    other = tmp_path / "other.yaml"
    other.write_text(TEXT)
    assert run("validate", "--reports-file", str(other)).exit_code == 0


def test_reports_are_listed_and_shown(file: Path) -> None:
    listed = run("list").stdout
    assert "age, gender" in listed
    assert "a month" in listed
    assert json.loads(run("list", "--json").stdout)[1]["table"] == "meta_ads.report_brand"
    shown = run("show", "brand").stdout
    for word in ("results", "jsonb", "spend", "numeric", "meta_ads.report_brand", "date_start"):
        assert word in shown
    columns = json.loads(run("show", "brand", "--json").stdout)["columns"]
    assert [one["name"] for one in columns if one["is_key"]] == [
        "account_id",
        "campaign_id",
        "date_start",
    ]
    result = run("show", "brend")
    assert result.exit_code == 2
    assert "age_gender, brand" in " ".join(result.output.replace("│", " ").split())


def test_a_preset_starts_a_file(file: Path) -> None:
    assert {*json.loads(run("presets", "--json").stdout)} == {*PRESETS}
    assert all(name in run("presets").stdout for name in PRESETS)
    file.write_text(run("presets", "carousel").stdout)
    assert json.loads(run("validate", "--json").stdout)["reports"] == ["carousel"]
    assert "did you mean carousel" in " ".join(run("presets", "carusel").output.split())


def test_without_a_file_the_way_to_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("META_REPORTS_FILE", raising=False)
    result = run("list")
    assert result.exit_code == 1
    assert "meta-pipeline reports presets age_gender > reports.yaml" in result.output


def test_sources_for_dbt_have_the_tables_of_the_file(file: Path) -> None:
    result = CliRunner().invoke(app, ["views", "dbt-sources"])
    assert result.exit_code == 0, result.output
    (source,) = yaml.safe_load(result.stdout)["sources"]
    brand = {one["name"]: one for one in source["tables"]}["report_brand"]
    columns = {one["name"]: one for one in brand["columns"]}
    assert columns["campaign_id"]["data_tests"] == ["not_null"]
    assert columns["spend"]["data_type"] == "numeric"
    assert brand["config"]["meta"]["dagster"]["asset_key"] == ["meta", "report_brand"]
    assert brand["description"].startswith("One row per campaign, calendar month")
