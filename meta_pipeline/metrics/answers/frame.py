"""An answer as a DataFrame, for notebooks: typed columns, and what the numbers are in `.attrs`."""

from __future__ import annotations

from typing import Any

import pandas as pd

from .assembly import Result


def frame_of(result: Result) -> pd.DataFrame:
    """Numbers are float64, or Int64 where all that is known are whole; unknown is NaN or NA."""
    units = result.about["units"]
    columns: dict[str, Any] = {}
    for name in result.columns:
        values = columns[name] = [row.get(name) for row in result.rows]
        if name in units:
            is_whole = units[name] in ("count", "people") and all(
                isinstance(value, int) for value in values if value is not None
            )
            # Int64 with a capital: numpy's int64 has no missing value.
            columns[name] = pd.Series(values, dtype="Int64" if is_whole else "float64")
    table = pd.DataFrame(columns, columns=result.columns)
    table.attrs.update(result.about)
    return table
