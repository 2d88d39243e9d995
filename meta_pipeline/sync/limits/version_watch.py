"""What Meta says of the API version in use: kept, and logged once a day for all processes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import date, datetime

from meta_pipeline.graph import Attempt
from meta_pipeline.warehouse import VERSION_SOURCE, UnrecognizedRow, UnrecognizedStore

logger = logging.getLogger(__name__)

# How a notice stands in unrecognized_values, of which it is no ordinary row.
_FIELD = "notice"
_OF_ALL = "app"
_REASON = "version"
# Notices name no account, so there are few; a bound all the same for what Meta may send.
_AT_MOST = 50


class VersionWatch:
    """Notes version notices of answers; thread-safe, one statement a day for each notice."""

    def __init__(self, store: UnrecognizedStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._seen: set[tuple[date, str]] = set()
        self._lock = threading.Lock()

    def note(self, attempt: Attempt) -> None:
        """Take an attempt; a store that fails costs the note, never the sync."""
        if (notice := attempt.version_notice) is None:
            return
        now = self._clock()
        key = (now.date(), notice)
        with self._lock:
            if key in self._seen or len(self._seen) >= _AT_MOST:
                return
            self._seen = {one for one in self._seen if one[0] == now.date()} | {key}
        row = UnrecognizedRow(_OF_ALL, VERSION_SOURCE, _FIELD, notice, _REASON, now)
        try:
            is_first = self._store.record_once_a_day(row)
        except Exception as error:
            logger.warning("what Meta says of the API version could not be kept: %s", error)
            is_first = True
        if is_first:
            logger.warning(
                "Meta on the API version: %s Set META_API_VERSION to a version that is still "
                "supported; `meta-pipeline check` says how long each is.",
                notice,
            )
