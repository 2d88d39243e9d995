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
_MANY_VALUES = "(many different values)"
_MANY_FIELDS = "(many different fields)"


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
        # Also what was taken away since: a sync takes its findings with each slice.
        self._known: set[tuple[str, str, str, Reason]] = set()
        self._lock = threading.Lock()

    def note(
        self, source: str, field: str, value: Any, reason: Reason, sample_id: str | None = None
    ) -> None:
        """Count one finding; beyond a thousand different ones of the sync the value is left out.

        Of an unknown field, which has no other name than Meta's, the name is.
        """
        shown = value if isinstance(value, str) else repr(cut(value, _SHOWN_LEVELS))
        key = (source, field[:_SHOWN], shown[:_SHOWN], reason)
        sample_id = sample_id[:_SHOWN] if sample_id else None
        with self._lock:
            if key not in self._known and len(self._known) >= _AT_MOST:
                is_named_by_meta = reason is Reason.UNKNOWN_FIELD
                many = (_MANY_FIELDS, "") if is_named_by_meta else (key[1], _MANY_VALUES)
                key = (source, *many, reason)
            else:
                self._known.add(key)
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
