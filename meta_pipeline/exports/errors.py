"""What can go wrong with an export, named by what to do next.

ExportError
├── LibrariesMissing   pyarrow, fsspec or the library of the place is not installed: install it
├── TableUnknown       there is no such table to export: pick one that is named
├── PlaceTaken         the place holds something else: name another
├── PlaceUnreachable   the place cannot be read or written: rights, address, network
└── ExportBusy         another export writes there: let it finish
"""

from __future__ import annotations


class ExportError(Exception):
    """Nothing new was exported; what the manifest listed before is still whole."""


class LibrariesMissing(ExportError):
    """A library that the export needs is not installed."""


class TableUnknown(ExportError):
    """No table of that name is exported."""


class PlaceTaken(ExportError):
    """The place holds other rows, or files that are not of an export."""


class PlaceUnreachable(ExportError):
    """The place cannot be read or written."""


class ExportBusy(ExportError):
    """Another export into the same place has not finished."""
