"""A company's Dagster, and ours in it: beside another code location, on their Postgres.

Their instance keeps its tables in Postgres, starts runs by a launcher of theirs and their steps by
the executor of theirs; webserver and daemon are the programs of their environment.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import yaml

from meta_pipeline.local.children import Children
from meta_pipeline.local.graphql import DagsterApi
from meta_pipeline.local.ports import free_port
from meta_pipeline.orchestration.dagster_internals import VERSIONS
from meta_pipeline.simulator import Simulator, WallClock, demo_world
from meta_pipeline_tests.postgres import TestPostgres

from .environments import wheel
from .foreign import project
from .pages import Reader
from .stand import finished, scalar, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

ACCOUNT = "act_990000000000007"
DEFS_YAML = {
    "type": "meta_pipeline.MetaAds",
    "attributes": {"accounts": [ACCOUNT], "group": "meta_ads", "database_url_env": "ADS_URL"},
}
INSTANCE = {
    "storage": {"postgres": {"postgres_url": {"env": "HOUSE_URL"}}},
    "run_launcher": {"module": "theirs.launcher", "class": "ProcessLauncher"},
    "concurrency": {"runs": {"max_concurrent_runs": 3}},
    "telemetry": {"enabled": False},
}
WORKSPACE = """\
load_from:
  - python_module: {module_name: theirs.definitions, location_name: theirs}
  - python_file: {relative_path: finance.py, location_name: finance}
"""
FILES = {
    # As a launcher of Kubernetes or ECS does it: the run is a process that is told by its words.
    "src/theirs/launcher.py": """\
import subprocess

from dagster._core.launcher import LaunchRunContext, RunLauncher
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClass


class ProcessLauncher(RunLauncher, ConfigurableClass):
    def __init__(self, inst_data=None):
        self._inst_data = inst_data
        super().__init__()

    @property
    def inst_data(self):
        return self._inst_data

    @classmethod
    def config_type(cls):
        return {}

    @classmethod
    def from_config_value(cls, inst_data, config_value):
        return cls(inst_data=inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        run = context.dagster_run
        told = ExecuteRunArgs(
            job_origin=context.job_code_origin,
            run_id=run.run_id,
            instance_ref=self._instance.get_ref(),
        )
        subprocess.Popen(told.get_command_args())
        self._instance.add_run_tags(run.run_id, {"started_by": "their launcher"})

    def terminate(self, run_id):
        return False
""",
    "src/theirs/defs/refresh.py": """\
import dagster as dg

NAMES = ("campaigns", "adsets", "ads", "insights", "daily_campaign_metrics",
         "daily_adset_metrics", "daily_ad_metrics", "reconciliation")


@dg.asset(
    deps=[dg.AssetKey(["meta", "daily_campaign_metrics"])],
    partitions_def=dg.DynamicPartitionsDefinition(name="ad_account"),
)
def brief(context: dg.AssetExecutionContext) -> None:
    context.log.info(context.partition_key)


@dg.definitions
def refresh() -> dg.Definitions:
    ours = dg.AssetSelection.assets(*(dg.AssetKey(["meta", name]) for name in NAMES))
    job = dg.define_asset_job("refresh", selection=ours | dg.AssetSelection.assets("brief"))
    return dg.Definitions(
        assets=[brief],
        jobs=[job],
        executor=dg.multiprocess_executor.configured({"max_concurrent": 2}),
    )
""",
    "finance.py": """\
import dagster as dg


@dg.asset
def invoices() -> None: ...


defs = dg.Definitions(assets=[invoices], jobs=[dg.define_asset_job("close_the_month")])
""",
}
STEP_PROCESSES = """
    SELECT count(*) FROM event_logs
    WHERE run_id = %s AND dagster_event_type = 'STEP_WORKER_STARTED'
"""
MATERIALIZED = """
    SELECT array_agg(DISTINCT asset_key) FROM event_logs
    WHERE run_id = %s AND dagster_event_type = 'ASSET_MATERIALIZATION' AND partition = %s
"""
FAILED_TICKS = "SELECT array_agg(tick_body) FROM job_ticks WHERE status = 'FAILURE'"
TICKS = "SELECT count(*) FROM job_ticks WHERE status IN ('SUCCESS', 'SKIPPED')"
STARTED_BY = "SELECT array_agg(DISTINCT value) FROM run_tags WHERE key = 'started_by'"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel(tmp_path_factory.mktemp("wheel"))


@pytest.mark.parametrize("dagster", VERSIONS)
def test_it_works_in_a_company_s_dagster(
    built: Path, tmp_path: Path, empty_url: str, postgres: TestPostgres, dagster: str
) -> None:
    with (
        postgres.fresh_database(template="template0") as house_url,
        Simulator(demo_world(WallClock())) as graph,
    ):
        reader = project(built, tmp_path, dagster, empty_url, graph.url)
        reader.follow("```sh\npip install meta-pipeline dagster-webserver dagster-postgres\n```\n")
        furnish(reader.environment.folder)
        reader.env |= {
            "ADS_URL": empty_url,
            # A bare postgresql:// is psycopg 3 for SQLAlchemy 2.1, which Dagster does not bring.
            "HOUSE_URL": house_url.replace("postgresql://", "postgresql+psycopg2://"),
            "META_GRAPH_URL": graph.url,
            "META_ACCESS_TOKEN": reader.said["META_ACCESS_TOKEN"],
        }
        with running(reader) as (ours, finance):
            launch(ours, "meta_ads_discover_accounts")
            assert ACCOUNT in ours.partition_keys()
            synced = launch(ours, "meta_ads_sync_account", {"dagster/partition": ACCOUNT})
            refreshed = launch(ours, "refresh", {"dagster/partition": ACCOUNT})
            launch(finance, "close_the_month")
            until(lambda: int(str(scalar(house_url, TICKS))) > 3, "their daemon runs our sensors")
        assert scalar(house_url, FAILED_TICKS) is None
        assert scalar(house_url, STARTED_BY) == ["their launcher"]
        assert scalar(house_url, STEP_PROCESSES, synced) == 0, "ours is one process, as it says"
        assert int(str(scalar(house_url, STEP_PROCESSES, refreshed))) > 1, "theirs is as they chose"
        found = scalar(house_url, MATERIALIZED, refreshed, ACCOUNT)
        assert isinstance(found, list)
        assert {'["brief"]', '["meta", "insights"]', '["meta", "reconciliation"]'} <= set(found)
        assert scalar(empty_url, "SELECT to_regnamespace('dagster')") is None, "their own is apart"
    with psycopg.connect(empty_url) as connection:
        rows = connection.execute(
            "SELECT status, array_agg(DISTINCT account_id) FROM meta_ads.sync_runs GROUP BY 1"
        ).fetchall()
    assert rows == [("success", [ACCOUNT])]


def furnish(folder: Path) -> None:
    """Their project: our component, what is theirs, their instance and workspace."""
    written = {
        **FILES,
        "src/theirs/defs/meta_ads/defs.yaml": yaml.safe_dump(DEFS_YAML),
        "home/dagster.yaml": yaml.safe_dump(INSTANCE),
        "workspace.yaml": WORKSPACE,
    }
    for name, text in written.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@contextmanager
def running(reader: Reader) -> Iterator[tuple[DagsterApi, DagsterApi]]:
    """Their webserver and daemon; the two code locations as a person reaches them."""
    folder, port = reader.environment.folder, free_port()
    binaries = reader.environment.path / "bin"
    commands = {
        "webserver": ["dagster-webserver", "--port", str(port), "--workspace", "workspace.yaml"],
        "daemon": ["dagster-daemon", "run", "--workspace", "workspace.yaml"],
    }
    with Children(folder / "logs") as children:
        ours, finance = (
            DagsterApi(f"http://127.0.0.1:{port}", location) for location in ("theirs", "finance")
        )
        for name, (program, *words) in commands.items():
            children.start(name, [str(binaries / program), *words], env=reader.env, cwd=folder)
            if name == "webserver":
                until(ours.is_ready, "the webserver shows our code location")
        until(finance.is_ready, "the webserver shows the other code location")
        yield ours, finance


def launch(api: DagsterApi, job: str, tags: dict[str, str] | None = None) -> str:
    """Queue the job as a person does, and see it end well."""
    run = api.launch(job, tags)
    until(lambda: finished(api, [run]), f"{job} ends")
    assert api.statuses([run]) == {run: "SUCCESS"}, job
    return run
