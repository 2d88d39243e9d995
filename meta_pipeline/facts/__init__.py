"""Facts of other providers: read, checked one by one, kept by their natural key."""

from __future__ import annotations

from .batch import FactBatch, NotABatch, Rejected, read_batch
from .ingestion import Ingested, ingest

__all__ = ["FactBatch", "Ingested", "NotABatch", "Rejected", "ingest", "read_batch"]
