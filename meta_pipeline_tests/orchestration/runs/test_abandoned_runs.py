from __future__ import annotations

import dagster as dg
import pytest

from meta_pipeline.definitions import defs
from meta_pipeline.orchestration.abandoned_runs import IN_PROGRESS, close_abandoned
from meta_pipeline_tests.orchestration.instances import stored_instance

ENDED = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)


@pytest.mark.parametrize("status", [*IN_PROGRESS, *ENDED])
def test_only_runs_in_progress_are_closed(status: dg.DagsterRunStatus) -> None:
    """A run of a killed Dagster stayed "started" and kept one of four slots for two hours."""
    job = defs.resolve_job_def("discover_accounts")
    with stored_instance() as instance:
        run = instance.create_run_for_job(job, status=status)
        closed = close_abandoned(instance)
        after = instance.get_run_by_id(run.run_id)
    assert after is not None
    if status in IN_PROGRESS:
        assert closed == [run.run_id]
        assert after.status is dg.DagsterRunStatus.FAILURE
        assert after.tags["dagster/max_retries"] == "0"
    else:
        assert closed == []
        assert after.status is status
