"""Out of one Postgres: Parquet files by table, account and month, and a manifest that lists them.

The manifest is the truth: what it does not list is not part of the export. Files are never changed,
a changed month is a new file; the manifest is written last, so that whoever reads by it sees the
tables as they were at one moment. Needs the extra `lake`.
"""

from __future__ import annotations

from .errors import (
    ExportBusy,
    ExportError,
    LibrariesMissing,
    PlaceTaken,
    PlaceUnreachable,
    TableUnknown,
)
from .export import KEPT, Exported, export
from .manifest import ExportedFile, Manifest, TableFiles
from .places import Destination, open_place
from .tables import TABLES

__all__ = [
    "KEPT",
    "TABLES",
    "Destination",
    "ExportBusy",
    "ExportError",
    "Exported",
    "ExportedFile",
    "LibrariesMissing",
    "Manifest",
    "PlaceTaken",
    "PlaceUnreachable",
    "TableFiles",
    "TableUnknown",
    "export",
    "open_place",
]
