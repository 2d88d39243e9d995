"""What is made of the tables account by account, so that none takes anything from the others."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator

import dagster as dg

from meta_pipeline.orchestration.configuration import Accounts
from meta_pipeline.orchestration.resources import WarehouseResource
from meta_pipeline.redaction import redact
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.connect import WRITER

from .batches import accounts_in, note_failed

Event = dg.AssetMaterialization | dg.AssetCheckResult | dg.Output[None]
"""What a step over accounts tells Dagster."""
Work = Callable[[Warehouse, str], Iterable[dg.AssetMaterialization]]


def each_account(  # noqa: PLR0917  # a step's own resources, and what it does with them
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    accounts: Accounts,
    name: str,
    work: Work,
    failed: dict[str, str],
) -> Iterator[dg.AssetMaterialization]:
    """Do the work of every account of the run; `name` is shown by Postgres.

    What went wrong is put into `failed`, by account, and makes the account's partitions red.
    """
    with warehouse.migrated(name, patience=WRITER) as opened:
        for account_id in accounts_in(context, accounts):
            try:
                done = list(work(opened, account_id))
            except Exception as error:  # one account must not take the others with it
                failed[account_id] = redact(f"{type(error).__name__}: {error}")
                note_failed(context, context.selected_asset_keys, account_id)
                context.log.error("%s: %s", account_id, redact(traceback.format_exc()))
            else:
                yield from done


def raise_failed(failed: dict[str, str], done: str) -> None:
    """Fail the step, if any account failed, with each of them and why."""
    if failed:
        listed = "\n".join(f"- {account_id}: {why}" for account_id, why in failed.items())
        raise dg.Failure(
            f"{len(failed)} accounts were not {done}; the others of the run were.\n{listed}",
            metadata={"accounts_failed": len(failed)},
        )
