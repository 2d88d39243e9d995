"""The pool of syncs has META_MAX_SYNCS slots before the first sync, and ever after."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest

from meta_pipeline.orchestration.build import build_defs
from meta_pipeline.orchestration.runs.pool import keep_slots
from meta_pipeline_tests.orchestration.conftest import Stand
from meta_pipeline_tests.orchestration.instances import in_postgres
from meta_pipeline_tests.postgres import TestPostgres


def discover_accounts() -> dg.JobDefinition:
    return build_defs().resolve_job_def("discover_accounts")


def entities_only() -> dg.JobDefinition:
    return build_defs().resolve_job_def("entities_only")


@pytest.fixture
def instance(postgres: TestPostgres, dagster_template: str) -> Iterator[dg.DagsterInstance]:
    """With our default limit, and in Postgres, where Dagster cannot change a default."""
    pools = {"default_limit": 3, "granularity": "run"}
    with (
        postgres.fresh_database(dagster_template) as url,
        dg.instance_for_test(
            overrides={**in_postgres(url), "concurrency": {"pools": pools}}
        ) as opened,
    ):
        yield opened


def limits(instance: dg.DagsterInstance) -> dict[str, int]:
    return {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}


def slots(instance: dg.DagsterInstance) -> int:
    return instance.event_log_storage.get_concurrency_info("meta_api").slot_count


@pytest.mark.usefixtures("stand")
def test_each_discovery_keeps_the_pool(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wanted in (3, 3, 5, 1):
        monkeypatch.setenv("META_MAX_SYNCS", str(wanted))
        with dg.execute_job(dg.reconstructable(discover_accounts), instance=instance) as result:
            assert result.success
        assert limits(instance) == {"meta_api": wanted}
        assert slots(instance) == wanted


def test_a_sync_runs_after_the_limit_was_changed(
    instance: dg.DagsterInstance, stand: Stand
) -> None:
    instance.event_log_storage.initialize_concurrency_limit_to_default("meta_api")
    instance.add_dynamic_partitions("ad_account", stand.accounts)
    keep_slots(instance, 2)
    with dg.execute_job(
        dg.reconstructable(entities_only),
        instance=instance,
        tags={"dagster/partition": stand.good},
    ) as result:
        assert result.success
    assert limits(instance) == {"meta_api": 2}


def test_processes_that_meet_the_pool_at_once_agree(instance: dg.DagsterInstance) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: keep_slots(instance, 4), range(16)))
    assert limits(instance) == {"meta_api": 4}
    assert slots(instance) == 4
