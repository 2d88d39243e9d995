"""The care of connections: tokens renewed, looked at and swept, requests of people carried out."""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
from functools import partial
from typing import Any

import dagster as dg

from meta_pipeline.connections import Access, Cared, Connections, Keyring, KeysUnusable, take_care
from meta_pipeline.orchestration.executor import own_job
from meta_pipeline.orchestration.names import asking
from meta_pipeline.orchestration.partitions import AD_ACCOUNTS
from meta_pipeline.orchestration.place import here
from meta_pipeline.orchestration.resources import Clock, WarehouseResource
from meta_pipeline.printable import markdown
from meta_pipeline.warehouse.connect import WRITER

HERE = here()

JOB = "connection_care"


@dg.op(
    name=HERE.named("take_care_of_connections"),
    config_schema={},
    description="Renew tokens that end within 20 days, ask Meta about each once a day, remove "
    "logins that nobody finished, carry out the deletions that people asked for at Meta.",
)
@asking
def take_care_of_connections(
    context: dg.OpExecutionContext,
    warehouse: WarehouseResource,
    clock: dg.ResourceParam[Clock],
) -> None:
    settings = warehouse.settings()
    try:
        keyring = Keyring.of(settings)
    except KeysUnusable as error:
        # A setting is wrong: another try would meet the same.
        raise dg.Failure(str(error), allow_retries=False) from None
    with warehouse.migrated("connections", 4, WRITER) as opened:
        connections = Connections(opened, Access(settings, clock=clock), keyring, f"job {JOB}")
        # Data that somebody had deleted leaves no partition behind that names the account, also
        # when the run is ended before its time.
        forgotten = partial(context.instance.delete_dynamic_partition, str(AD_ACCOUNTS.name))
        cared = take_care(connections, forgotten=forgotten)
    context.add_output_metadata(_metadata(cared))


@own_job(
    JOB,
    "Renew, look at, sweep and end connections to Meta. A token that could not be "
    "renewed is told by `alerts` with the days it has left, and tried again a day later.",
    max_runtime_seconds=3600,
    # Before the syncs that wait in the queue: a token may end meanwhile.
    tags={"dagster/priority": "10"},
)
def connection_care() -> None:
    take_care_of_connections()


def _metadata(cared: Cared) -> dict[str, dg.MetadataValue[Any]]:
    failed = [one for one in cared.renewals if one.is_failed]
    problems = {one.row.connection_id: str(one.problem) for one in failed} | cared.problems
    undone = [one.problem for one in cared.callbacks if one.problem]
    lines = [f"- {name}: {markdown(why)}" for name, why in problems.items()]
    lines += [f"- a request of somebody at Meta: {markdown(why)}" for why in undone]
    return {
        "renewed": dg.MetadataValue.int(sum(one.is_renewed for one in cared.renewals)),
        "not_renewed": dg.MetadataValue.int(len(failed)),
        "looked_at": dg.MetadataValue.int(len(cared.looked_at)),
        "requests_carried_out": dg.MetadataValue.int(sum(one.is_done for one in cared.callbacks)),
        "logins_swept": dg.MetadataValue.int(cared.swept),
        "problems": dg.MetadataValue.md("\n".join(lines) or "None."),
    }
