"""A sync in a process of its own, so that it can be killed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from multiprocessing.process import BaseProcess

from meta_pipeline.graph import GraphClient
from meta_pipeline.sync import PlanPolicy, SyncContext, SyncEngine, SyncRequest
from meta_pipeline.warehouse import TelemetryWriter, Warehouse
from meta_pipeline_tests.processes import CHILDREN


@dataclass(frozen=True)
class Job:
    """Everything the process needs; its clock stands still at `now`, as the world's does."""

    database_url: str
    graph_url: str
    token: str
    account_id: str
    now: datetime
    policy: PlanPolicy

    def start(self) -> BaseProcess:
        process = CHILDREN.Process(target=run, args=(self,), daemon=True)
        process.start()
        return process


def run(job: Job) -> None:
    """One sync; the exit code is the record's."""
    with (
        Warehouse(job.database_url) as warehouse,
        TelemetryWriter(job.database_url) as telemetry,
        GraphClient(access_token=job.token, base_url=job.graph_url) as client,
    ):
        context = SyncContext(
            client=client,
            warehouse=warehouse,
            telemetry=telemetry,
            policy=job.policy,
            clock=lambda: job.now,
        )
        record = SyncEngine(context).sync(SyncRequest(job.account_id))
    raise SystemExit(record.exit_code)
