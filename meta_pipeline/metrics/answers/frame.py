"""An answer as a DataFrame, for notebooks: typed columns, and what the numbers are in `.attrs`."""

from __future__ import annotations

import pandas as pd

from .assembly import Result


def frame_of(result: Result) -> pd.DataFrame:
    """Numbers are float64, or Int64 where all that is known are whole; unknown is NaN or NA."""
    units = result.about["units"]
    columns = {name: [row.get(name) for row in result.rows] for name in result.columns}
    table = pd.DataFrame(
        {
            name: _typed(values, is_whole=units[name] in ("count", "people"))
            if name in units
            else values
            for name, values in columns.items()
        },
        columns=result.columns,
    )
    table.attrs.update(result.about)
    return table


def _typed(values: list[float | int | None], *, is_whole: bool) -> pd.Series[float]:
    whole = is_whole and all(isinstance(value, int) for value in values if value is not None)
    # Int64 with a capital: numpy's int64 has no missing value.
    return pd.Series(values, dtype="Int64" if whole else "float64")
