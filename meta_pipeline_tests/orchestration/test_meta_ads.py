"""MetaAds in somebody else's code location: every name is ours or theirs, none is both.

A process has one place, so each code location here is a process of its own, as in Dagster.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from pydantic import BaseModel, ValidationError

from meta_pipeline import MetaAds
from meta_pipeline.orchestration.meta_ads import MetaAdsCadence, MetaAdsExtras, MetaAdsScaffolder
from meta_pipeline.orchestration.place import PlaceTaken, here
from meta_pipeline.settings import variable_names
from meta_pipeline.settings.secret_files import secret_names
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.fleet.stored import Stored
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

THEIRS = """
import json, warnings
warnings.simplefilter("ignore")
import dagster as dg
from meta_pipeline import MetaAds

@dg.resource
def theirs(_):
    return "theirs"

@dg.op(name="insights")
def an_op(): ...

@dg.job(name="sync_account")
def a_job():
    an_op()

@dg.sensor(name="alerts", job=a_job)
def a_sensor(): ...

NAMES = ("warehouse", "session", "accounts", "days", "clock", "meta")

@dg.asset(name="report", required_resource_keys={"warehouse", "session", "days"})
def report(context) -> str:
    return context.resources.warehouse

@dg.failure_hook
def told(_): ...
"""
SHOW = """
def shown(defs):
    repository = defs.get_repository_def()
    nodes = list(repository.asset_graph.asset_nodes)
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    print("SHOWN" + json.dumps({
        "assets": {node.key.to_user_string(): {
            "group": node.group_name, "owners": sorted(node.owners), "tags": dict(node.tags),
            "partitions": node.partitions_def and node.partitions_def.name,
            "pools": sorted(node.pools or ()),
            "condition": node.automation_condition is not None,
        } for node in nodes},
        "jobs": {job.name: sorted(hook.name for hook in job.hook_defs) for job in jobs},
        "steps": sorted({op.name for job in jobs for op in job.all_node_defs}),
        "sensors": {one.name: one.default_status.value for one in repository.sensor_defs},
        "schedules": {one.name: one.default_status.value for one in repository.schedule_defs},
        "resources": sorted(repository.get_top_level_resources()),
    }))
"""


def location(*code: str) -> dict[str, Any]:
    """What a code location of theirs shows, loaded in a process of its own."""
    source = THEIRS + SHOW + "\n".join(textwrap.dedent(part) for part in code)
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.partition("SHOWN")[2])
    return found


MERGED = """
    theirs = dg.Definitions(
        assets=[report], jobs=[a_job], sensors=[a_sensor],
        resources={**dict.fromkeys(NAMES, theirs), "io_manager": dg.mem_io_manager},
        executor=dg.multiprocess_executor,
    )
    shown(dg.Definitions.merge(theirs, meta_ads.build_defs()))
"""


@pytest.fixture(scope="module")
def merged() -> dict[str, Any]:
    """Everything chosen, beside definitions that are called as ours are in a Dagster of our own."""
    return location(
        """
        meta_ads = MetaAds(
            accounts=["act_1"], key_prefix="paid/meta", group="paid", owners=["team:paid"],
            tags={"cost": "7"}, partitions="meta_account", pool="theirs", name_prefix="fb_",
            start_sensors=False, cadence={"insights": "30m"},
        )
        build = meta_ads.build_defs
        meta_ads = type("Chosen", (), {"build_defs": staticmethod(lambda: build(
            automation_condition=dg.AutomationCondition.eager(), hooks=[told]))})
        """,
        MERGED,
    )


def test_no_name_of_ours_is_one_of_theirs(merged: dict[str, Any]) -> None:
    for kind, names in (
        ("jobs", {"sync_account"}),
        # Dagster's own, for the condition that was given.
        ("sensors", {"alerts", "default_automation_condition_sensor"}),
        ("schedules", set()),
        ("resources", {"warehouse", "session", "accounts", "days", "clock", "meta", "io_manager"}),
        ("steps", {"insights"}),
    ):
        found = set(merged[kind])
        assert names <= found
        assert {name for name in found if not name.startswith("fb_")} == names, kind
        assert len(found) > len(names), kind
    ours = {key for key in merged["assets"] if key != "report"}
    assert all(key.startswith("paid/meta/") for key in ours)
    assert "paid/meta/insights" in ours


def test_assets_are_as_chosen(merged: dict[str, Any]) -> None:
    ours = {key: one for key, one in merged["assets"].items() if key != "report"}
    assert {one["group"] for one in ours.values()} == {"paid"}
    assert {tuple(one["owners"]) for one in ours.values()} == {("team:paid",)}
    assert all(one["tags"]["cost"] == "7" for one in ours.values())
    assert {one["partitions"] for one in ours.values()} == {None, "meta_account"}
    assert ours["paid/meta/insights"]["pools"] == ["theirs"]
    assert ours["paid/meta/insights"]["condition"]
    assert not merged["assets"]["report"]["condition"]
    assert set(merged["sensors"].values()) == {"STOPPED"}
    assert set(merged["schedules"].values()) == {"STOPPED"}
    assert {name for name, hooks in merged["jobs"].items() if hooks == ["told"]} == {
        name for name in merged["jobs"] if name.startswith("fb_")
    }


def test_with_nothing_chosen_it_is_beside_theirs_too() -> None:
    found = location("meta_ads = MetaAds()", MERGED)
    assert "meta/insights" in found["assets"]
    assert found["assets"]["meta/insights"]["partitions"] == "ad_account"
    assert found["sensors"]["meta_ads_next_stale_account"] == "RUNNING"
    kept = {"meta_ads_dagster_history", "meta_ads_run_files"}
    assert not kept & set(found["steps"]), "what Dagster keeps is theirs to keep"


def test_the_sensor_asks_for_runs_by_the_names_of_this_place(
    warehouse: Warehouse, database_url: str
) -> None:
    """With other runs of theirs under way, whose partitions are none of our accounts."""
    with warehouse.connection() as connection:
        Stored(connection).account("act_1")
    found = location(
        f"""
        import os
        os.environ["ADS_URL"] = {database_url!r}
        os.environ["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/theirs"
        """,
        """
        defs = MetaAds(name_prefix="fb_", database_url_env="ADS_URL").build_defs()
        repository = defs.get_repository_def()
        with dg.DagsterInstance.ephemeral() as instance:
            a_job.execute_in_process(instance=instance)
            instance.create_run_for_job(
                a_job, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": "act_1"})
            sensor = repository.get_sensor_def("fb_next_stale_account")
            with dg.build_sensor_context(instance=instance, repository_def=repository,
                                         resources={name: defs.resources[name] for name in
                                                    sensor.required_resource_keys}) as context:
                asked = sensor(context).run_requests
        print("SHOWN" + json.dumps([
            [one.job_name, one.partition_key, sorted(one.run_config.get("resources", {})),
             sorted(key.to_user_string() for key in one.asset_selection or ())]
            for one in asked
        ]))
        """,
    )
    jobs: list[Any] = list(found)
    assert [one[0] for one in jobs] == ["fb_sync_account", "fb_discover_accounts"]
    assert jobs[0][1:3] == ["act_1", ["fb_freshness"]]
    assert "meta/insights" in jobs[0][3]


def test_importing_the_package_imports_no_dagster() -> None:
    code = "import sys, meta_pipeline; print({'dagster', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_second_one_with_other_options_is_refused() -> None:
    place = here()
    with pytest.raises(PlaceTaken, match="second code location"):
        MetaAds(accounts=["act_1"]).build_defs()
    assert here() == place


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"settings": {"META_ACCESS_TOKEN": "EAAB"}}, "META_ACCESS_TOKEN is a secret"),
        ({"settings": {"META_BACKFIL_DAYS": "3"}}, "META_BACKFIL_DAYS is no setting"),
        ({"key_prefix": "paid//meta"}, "names with slashes between them"),
        ({"name_prefix": "meta-ads"}, "is a name of A-Z, a-z, 0-9 and _"),
        ({"acounts": ["act_1"]}, "Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_is_said_where_it_is_written(attributes: Any, why: str) -> None:
    with pytest.raises(ValidationError, match=why) as told:
        MetaAds(**attributes)
    assert "EAAB" not in str(told.value)


CANARY = "CANARY-1b7e-sings"
MISPLACED = """
accounts: "{secret}"
accounts: [{{it: "{secret}"}}]
extras: {{creatives: "{secret}"}}
extras: {{hourli: ["{secret}"]}}
cadence: {{insights: ["{secret}"]}}
key_prefix: "{secret}//"
name_prefix: "{secret} "
start_sensors: "{secret}"
tags: "{secret}"
settings: ["{secret}"]
settings: {{{name}: "{secret}"}}
acounts: "{secret}"
""".strip().splitlines()
"""Attributes that cannot be, each with a secret in a place of its own."""


@pytest.mark.parametrize("written", MISPLACED)
def test_no_error_repeats_a_secret_that_was_given(
    written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Python, and in a component's file that holds it or takes it from the environment."""
    for name in secret_names():
        monkeypatch.setenv(name, CANARY)
        with pytest.raises(ValidationError) as in_python:
            MetaAds(**yaml.safe_load(written.format(name=name, secret=CANARY)))
        as_template = f"{{{{{{{{ env.{name} }}}}}}}}"
        errors: list[pytest.ExceptionInfo[Exception]] = [in_python]
        for secret in (CANARY, as_template.format()):
            with pytest.raises(Exception) as in_a_file:  # noqa: PT011 - Dagster's, of any kind
                MetaAds.resolve_from_yaml(written.format(name=name, secret=secret))
            errors.append(in_a_file)
        for told in errors:
            lines = traceback.format_exception(told.value)
            assert CANARY not in "".join(lines), "".join(lines)


SLIPS = (f"postgresql://ads:{CANARY}@db/ads", f"{CANARY} and more", f"x:{CANARY}@db")
BUILT = """
import json, sys
from meta_pipeline import MetaAds
from meta_pipeline.orchestration.place import here
MetaAds(**json.loads(sys.stdin.read())).build_defs()
here().load_settings()
"""


def slips(model: type[BaseModel], secret: str) -> Iterator[dict[str, Any]]:
    """The secret in each option that takes text, alone."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from ({name: below} for below in slips(kind, secret))
        elif str(kind).startswith("dict"):
            yield from ({name: {secret: "x"}}, {name: {"x": secret}})
        elif str(kind).startswith("list"):
            yield {name: [secret]}
        elif kind is not bool:
            yield {name: secret}


def test_no_error_repeats_what_slipped_into_another_option() -> None:
    """Pasted one field too low; what is taken for a name there is still shown by no error."""
    here()  # So that no MetaAds takes the place, and what builds is told apart by PlaceTaken.
    taken: dict[str, Any] = {}
    for secret in SLIPS:
        known = ({"settings": {name: secret}} for name in variable_names())
        for given in chain(slips(MetaAds, secret), known):
            try:
                MetaAds(**given).build_defs()
            except PlaceTaken:
                taken |= given
            except Exception as error:
                lines = traceback.format_exception(error)
                assert CANARY not in "".join(lines), (given, lines[-1])
    # The rest was not told apart from a name: Dagster and the settings of a run go on with it.
    done = subprocess.run(
        [sys.executable, "-c", BUILT],
        input=json.dumps(taken),
        capture_output=True,
        text=True,
        check=False,
    )
    assert CANARY not in done.stderr, done.stderr
    assert set(taken) <= {"partitions", "pool", "settings"}


def test_an_error_about_a_component_s_file_says_where_and_what_is_wrong() -> None:
    with pytest.raises(ValidationError) as told:
        MetaAds.resolve_from_yaml("key_prefix: meta\npool: [theirs]\nacounts: [act_1]\n")
    assert [(one["loc"], one["type"]) for one in told.value.errors()] == [
        (("pool at <string>:2",), "string_type"),
        (("acounts at <string>:3",), "extra_forbidden"),
    ]


@pytest.mark.parametrize("secret", SLIPS)
def test_no_error_repeats_what_slipped_into_an_option_of_a_component_s_file(secret: str) -> None:
    """Where it stands as it is: Dagster's own errors about a file quote what they found there."""
    refused: set[str] = set()
    for given in slips(MetaAds, secret):
        try:
            MetaAds.resolve_from_yaml(yaml.safe_dump(given))
        except Exception as error:
            lines = traceback.format_exception(error)
            assert CANARY not in "".join(lines), (given, lines[-1])
            refused |= set(given)
    assert refused >= {"group", "owners", "tags", "name_prefix", "database_url_env", "settings"}


@pytest.mark.parametrize(
    ("option", "written", "value"),
    [
        ("key_prefix", "{{ env.TEAM }}/meta", "paid/meta"),
        ("group", "{{ env.TEAM }}", "paid"),
        ("owners", ["team:{{ env.TEAM }}"], ["team:paid"]),
        ("owners", "{{ ['team:' ~ env.TEAM] }}", ["team:paid"]),
        ("tags", {"team": "{{ env.TEAM }}"}, {"team": "paid"}),
        ("partitions", "{{ env.TEAM }}", "paid"),
        ("pool", "{{ env.TEAM }}", "paid"),
        ("name_prefix", "{{ env.TEAM }}_", "paid_"),
        ("database_url_env", "{{ env.TEAM | upper }}_URL", "PAID_URL"),
    ],
)
def test_a_name_in_a_component_s_file_is_a_template_too(
    option: str, written: Any, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM", "paid")
    meta_ads = MetaAds.resolve_from_yaml(yaml.safe_dump({option: written}))
    assert getattr(meta_ads, option) == value


def test_accounts_of_breakdowns_are_chosen_also_where_the_environment_names_the_breakdowns() -> (
    None
):
    meta_ads = MetaAds.resolve_from_yaml("extras: {breakdown_accounts: [act_1]}")
    assert meta_ads.extras.variables()["META_BREAKDOWN_ACCOUNTS"] == "act_1"
    assert "META_BREAKDOWN_ACCOUNTS" not in MetaAds().extras.variables()


def test_a_key_and_partitions_for_assets_of_ones_own() -> None:
    meta_ads = MetaAds(key_prefix="paid/meta", partitions="meta_account")
    assert meta_ads.key("insights") == dg.AssetKey(["paid", "meta", "insights"])
    assert meta_ads.partitions_def == dg.DynamicPartitionsDefinition(name="meta_account")


def test_what_is_scaffolded_names_every_option_and_each_works_without_its_mark(
    tmp_path: Path,
) -> None:
    """`dg scaffold defs meta_pipeline.MetaAds`, whose request this is."""
    request = dg.ScaffoldRequest[Any](
        type_name="meta_pipeline.MetaAds",
        target_path=tmp_path,
        scaffold_format="yaml",
        project_root=tmp_path,
        params=None,
    )
    MetaAdsScaffolder().scaffold(request)
    text = (tmp_path / "defs.yaml").read_text(encoding="utf-8")
    written = yaml.safe_load(text)
    assert written == {"type": "meta_pipeline.MetaAds", "attributes": {"key_prefix": "meta"}}
    # A space after the mark is a sentence's; two are what is below an option.
    chosen = yaml.safe_load(re.sub(r"(?m)^  #(?! \S)", "  ", text))["attributes"]
    assert set(chosen) == set(MetaAds.model_fields)
    assert set(chosen["extras"]) == set(MetaAdsExtras.model_fields)
    assert set(chosen["cadence"]) == set(MetaAdsCadence.model_fields)
    assert MetaAds.model_validate(chosen)._settings()["backfill_days"] == "30"
    for line in text.splitlines():
        assert len(line) <= 106, line
