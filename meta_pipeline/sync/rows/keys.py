"""What tells one object or one hour from another in Meta's rows."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

# U+FFFD stands where an answer had half a surrogate pair, or bytes that are no UTF-8.
ID_TEXT = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff\ufffd]{1,64}\Z")
# Meta's word for none (FACTS section 12).
_NO_ID = "0"
# Meta's two ends of an hour say the same: what differs in them is no hour.
HOUR_TEXT = re.compile(r"([01]\d|2[0-3]):00:00 - \1:59:59\Z", re.ASCII)


def id_text(value: Any) -> str | None:
    """An id as text; Meta writes numbers in some places. None for what is no id.

    An id is a key in Postgres and part of a URL: without blanks, control characters and text that
    came broken, and not longer than any of Meta's by far.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    fits = isinstance(value, str) and value != _NO_ID and ID_TEXT.match(value)
    return value if fits else None


def are_ids(texts: Collection[str]) -> bool:
    """Whether each of them is an id, as `id_text` says."""
    return _NO_ID not in texts and all(map(ID_TEXT.match, texts))


def hour_of(value: Any) -> int | None:
    """The hour of `13:00:00 - 13:59:59`, None for anything else."""
    match = HOUR_TEXT.match(value) if isinstance(value, str) else None
    return int(match.group(1)) if match else None
