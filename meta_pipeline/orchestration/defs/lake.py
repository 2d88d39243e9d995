"""The tables as Parquet files, as an asset: what is at META_EXPORT_TO follows Postgres."""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
from collections.abc import Iterator

import dagster as dg

from meta_pipeline.exports import Destination, Exported, ExportError, export, open_place
from meta_pipeline.orchestration.metric_metadata import METRIC_KEYS
from meta_pipeline.orchestration.names import asking
from meta_pipeline.orchestration.place import here
from meta_pipeline.orchestration.resources import WarehouseResource
from meta_pipeline.orchestration.tables import (
    AD_ACCOUNTS_KEY,
    DELIVERY,
    ENTITY_EXTRAS,
    INSIGHT_EXTRAS,
    OWNERS,
    STRUCTURE,
    TAGS,
)
from meta_pipeline.warehouse.connect import WRITER

HERE = here()

EXPORT_KEY = HERE.key("parquet_export")
_MIB = 1024 * 1024
_TABLES = (*STRUCTURE, *DELIVERY, *ENTITY_EXTRAS, *INSIGHT_EXTRAS)
_DESCRIPTION = """\
The tables as Parquet files, by table, account and month, at the place that `META_EXPORT_TO` names.

Only months that changed are written, all as of one moment; `manifest.json` lists the files and is
written last. What a run put that was stopped is kept, and the next one goes on. `meta-pipeline
export PLACE` does the same at any time. How BigQuery, Snowflake, ClickHouse, Spark and DuckDB read
it: docs/lake.md."""


@dg.multi_asset(
    name=HERE.named("parquet_export"),
    specs=[
        dg.AssetSpec(
            EXPORT_KEY,
            deps=[AD_ACCOUNTS_KEY, *(table.key for table in _TABLES), *METRIC_KEYS],
            group_name=HERE.group_of("lake"),
            kinds={"parquet"},
            owners=OWNERS,
            tags=TAGS,
            description=_DESCRIPTION,
        )
    ],
)
@asking
def parquet_export(warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult[None]]:
    settings = warehouse.settings()
    if settings.export_to is None:
        raise dg.Failure(
            "META_EXPORT_TO names no place: set it to a folder or an address such as "
            "s3://bucket/lake, or leave this asset alone.",
            allow_retries=False,
        )
    try:
        place = open_place(settings.export_to)
        with warehouse.migrated("export", patience=WRITER) as opened:
            done = export(opened.url, place)
    except ExportError as error:
        raise dg.Failure(str(error)) from None  # it says all, and no secret
    yield dg.MaterializeResult(asset_key=EXPORT_KEY, metadata=_metadata(done, place))


def _metadata(done: Exported, place: Destination) -> dict[str, dg.MetadataValue]:
    """Few numbers under names that never change: Dagster plots them."""
    tables = done.manifest.tables.values()
    files = [one for table in tables for one in table.files]
    as_of = max((one.data_as_of for one in files if one.data_as_of), default=None)
    return {
        "place": dg.MetadataValue.text(place.address),
        "read_at": dg.MetadataValue.timestamp(done.read_at),
        **({"data_as_of": dg.MetadataValue.timestamp(as_of)} if as_of else {}),
        "files_written": dg.MetadataValue.int(len(done.written)),
        "rows_written": dg.MetadataValue.int(done.rows_written),
        "files_adopted": dg.MetadataValue.int(len(done.adopted)),
        "files_removed": dg.MetadataValue.int(len(done.removed)),
        "files": dg.MetadataValue.int(len(files)),
        "rows": dg.MetadataValue.int(sum(one.rows for one in files)),
        "size_mib": dg.MetadataValue.float(sum(one.size_bytes for one in files) / _MIB),
        "unfit_values": dg.MetadataValue.int(sum(done.unfit.values())),
        "simulated": dg.MetadataValue.bool(done.manifest.is_simulated),
    }
