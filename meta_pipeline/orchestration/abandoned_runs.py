"""Runs whose processes are gone: `python -m meta_pipeline.orchestration.abandoned_runs`.

Dagster leaves such a run "started", with its slots, until `max_runtime_seconds`. Who knows that
nobody else runs on this instance, as `meta-pipeline dev` does of its own, need not wait for that.
"""

from __future__ import annotations

import dagster as dg

from .dagster_internals import MAX_RETRIES_TAG

IN_PROGRESS = (
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def close_abandoned(instance: dg.DagsterInstance) -> list[str]:
    """Mark every run in progress as failed, free its slots, return the ids.

    They are not started again by themselves: what they did is committed, and what they did not do
    is still due.
    """
    runs = instance.get_runs(filters=dg.RunsFilter(statuses=list(IN_PROGRESS)))
    for run in runs:
        # Before the failure is reported: the daemon may start a failed run again at once.
        instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: "0"})
        instance.report_run_failed(run, "The processes of this run were ended from outside.")
        # Not left to the daemon: the slots are wanted by the first tick after the start.
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return [run.run_id for run in runs]


if __name__ == "__main__":
    with dg.DagsterInstance.get() as found:
        close_abandoned(found)
