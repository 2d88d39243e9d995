"""What was not understood, counted: no crash, and never silent."""

from __future__ import annotations

import threading
from datetime import datetime
from enum import StrEnum
from typing import Any

from meta_pipeline.nesting import cut
from meta_pipeline.warehouse import UnrecognizedRow

# Enough to recognize a value; a whole targeting spec would fill the table.
_SHOWN = 200
# repr goes down by recursion, and 200 characters show no more levels than that.
_SHOWN_LEVELS = 20
# A field that is different in every row must not make a table of its own of this one.
_AT_MOST = 1_000


class Reason(StrEnum):
    """Why a value is listed; `unrecognized_values.reason`."""

    UNKNOWN_ENUM = "unknown_enum"
    WRONG_TYPE = "wrong_type"
    UNKNOWN_FIELD = "unknown_field"
    MISSING_KEY = "missing_key"
    REFUSED_FIELD = "refused_field"
    REFUSED_VALUE = "refused_value"
    REFUSED_OBJECT = "refused_object"
    FILTER_IGNORED = "filter_ignored"
    CLEANED_TEXT = "cleaned_text"
    REFUSED_ROW = "refused_row"
    UNKNOWN_CURRENCY = "unknown_currency"
    UNANSWERED = "unanswered"
    EMPTIED = "emptied"


class Findings:
    """Collects findings of one sync from every thread; bounded, so that no account floods it."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str, Reason], tuple[str | None, int]] = {}
        self._lock = threading.Lock()

    def note(
        self, source: str, field: str, value: Any, reason: Reason, sample_id: str | None = None
    ) -> None:
        """Count one finding; beyond a thousand different ones the value itself is left out."""
        shown = value if isinstance(value, str) else repr(cut(value, _SHOWN_LEVELS))
        key = (source, field[:_SHOWN], shown[:_SHOWN], reason)
        sample_id = sample_id[:_SHOWN] if sample_id else None
        with self._lock:
            if key not in self._found and len(self._found) >= _AT_MOST:
                key = (source, field, "(many different values)", reason)
            sample, count = self._found.get(key, (sample_id, 0))
            self._found[key] = (sample, count + 1)

    def rows(self, account_id: str, seen_at: datetime) -> list[UnrecognizedRow]:
        """What was found since the last call, each once, as rows of `unrecognized_values`."""
        with self._lock:
            found, self._found = self._found, {}
        return [
            UnrecognizedRow(account_id, source, field, value, str(reason), seen_at, sample, count)
            for (source, field, value, reason), (sample, count) in found.items()
        ]
