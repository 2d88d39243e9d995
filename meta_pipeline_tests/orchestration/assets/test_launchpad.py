"""The launchpad: each thing is asked once, where it matters, and refused before there is a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.errors import DagsterConfigMappingFunctionError
from dagster._core.snap import JobSnap
from dagster._core.snap.snap_to_yaml import default_values_yaml_from_type_snap

from meta_pipeline.definitions import defs
from meta_pipeline.orchestration.configuration import choices, run_config
from meta_pipeline.sync.plan.presets import Preset

REPOSITORY = defs.get_repository_def()
ASKED = {
    "sync_account": {"accounts", "freshness", "days", "breakdowns"},
    "entities_only": {"accounts", "freshness"},
    "insights_only": {"accounts", "freshness", "days", "breakdowns"},
    "backfill_insights": {"accounts", "freshness", "days"},
    "restate": {"accounts", "freshness", "days"},
    "reconcile": {"accounts"},
    "discover_accounts": set(),
    "data_quality": set(),
    "operations_report": {"period"},
    "export_parquet": set(),
    "maintenance": set(),
    "sync_named_objects": set(),
    "connection_care": set(),
    "advice_digest": set(),
}


def offered(job: str) -> dict[str, Any]:
    """The config that the UI writes into the launchpad of a job, with all defaults."""
    snap = JobSnap.from_job_def(REPOSITORY.get_job(job))
    schema = snap.config_schema_snapshot
    root = schema.get_config_snap(str(snap.mode_def_snaps[0].root_config_key))
    return yaml.safe_load(default_values_yaml_from_type_snap(schema, root)) or {}


def fields(config: object) -> Iterator[str]:
    if isinstance(config, dict):
        for name, value in config.items():
            if isinstance(value, dict):
                yield from fields(value)
            else:
                yield name


def test_every_job_is_known() -> None:
    ours = {job.name for job in REPOSITORY.get_all_jobs() if not job.name.startswith("__")}
    assert ours == set(ASKED)


@pytest.mark.parametrize(("job", "asked"), ASKED.items())
def test_each_thing_is_asked_once_and_only_where_it_matters(job: str, asked: set[str]) -> None:
    found = offered(job)
    assert set(found.get("resources", {})) == asked
    assert "ops" not in found
    names = list(fields(found))
    assert len(names) == len(set(names))


def test_every_choice_is_explained() -> None:
    for name, resource in choices().items():
        assert resource.description, name
        shape: Any = resource.config_schema.config_type
        for field_name, field in shape.fields.items():
            assert field.description, (name, field_name)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"days": {"since": "yesterday"}}, "since: is not a day; write it as 2026-01-31"),
        ({"days": {"until": "2026-02-30"}}, "until: is not a day"),
        ({"days": {"since": "2026-10-02", "until": "2026-10-01"}}, "is after until 2026-10-01"),
        ({"days": {"preset": "last_7d", "since": "2026-10-01"}}, "not both"),
        ({"days": {"newest_days": 3, "preset": "last_7d"}}, "one of them"),
        ({"days": {"newest_days": -1}}, "newest_days: Input should be greater than or equal to 0"),
        ({"accounts": {"ids": ["act_1", "1"]}}, "looks like act_1234567890"),
        ({"accounts": {"begin_within_seconds": -1}}, "begin_within_seconds"),
        ({"freshness": {"max_age_seconds": -5}}, "max_age_seconds"),
        ({"breakdowns": {"tables": ["age gender"]}}, "write age,gender"),
    ],
)
@pytest.mark.parametrize("job", ["sync_account", "insights_only", "__ASSET_JOB"])
def test_what_cannot_be_is_refused_before_there_is_a_run(
    job: str, chosen: dict[str, dict[str, object]], said: str
) -> None:
    with pytest.raises(DagsterConfigMappingFunctionError) as refused:
        dg.validate_run_config(REPOSITORY.get_job(job), run_config(**chosen))
    assert said in str(refused.value.__cause__)


@pytest.mark.parametrize("preset", ["last_8d", "", "LAST_7D", 7])
def test_a_range_that_is_none_is_marked_while_one_types(preset: object) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(
            REPOSITORY.get_job("insights_only"), run_config(days={"preset": preset})
        )


@pytest.mark.parametrize("preset", Preset)
def test_every_range_of_ads_manager_can_be_chosen(preset: Preset) -> None:
    assert dg.validate_run_config(
        REPOSITORY.get_job("insights_only"), run_config(days={"preset": str(preset)})
    )
