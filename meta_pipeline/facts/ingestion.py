"""Ingestion: what may be written of a batch is, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from meta_pipeline.warehouse import Warehouse

from .batch import FactBatch, Rejected


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of a batch. `unchanged`: the same, or a later observation, was there before."""

    written: int
    unchanged: int
    rejected: Sequence[Rejected]


def ingest(
    warehouse: Warehouse, tenant: str, batch: FactBatch, now: datetime, *, is_atomic: bool = False
) -> Ingested:
    """Write the facts of a batch for a tenant; sending it again changes no row.

    With `is_atomic` nothing is written when a fact was refused.
    """
    if is_atomic and batch.faults:
        return Ingested(0, 0, batch.rejected)
    written = warehouse.facts.write(tenant, batch.rows, now) if batch.rows else 0
    return Ingested(written, len(batch.rows) - written, batch.rejected)
