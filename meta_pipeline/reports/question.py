r"""Questions: one `.sql` file each, with its title, its words and what its columns mean.

The leading comment of a file holds lines `-- key: value`. `title`, `question` and `minimum` (the
fewest observations an answer may rest on) are ours, `none` is what an empty answer means; every
other key is a column. The rest of the file is one SELECT, run as it stands:

    SET meta_ads.report_days = 30;   -- 7 when not set
    \i latency.sql
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent / "sql"
_LINE = re.compile(r"-- (?P<key>[a-z0-9_]+): (?P<value>.+)")
ORDER = (
    "throttle_envelope",
    "time_by_phase",
    "throttled_syncs",
    "cost_per_account",
    "expensive_accounts",
    "rows_per_call",
    "burst_by_hour",
    "latency",
    "error_rate",
    "usage_over_time",
    "calls_by_endpoint",
    "call_cost",
    "sync_outcomes",
    "throttle_incidents",
    "freshness",
    "insight_ranges",
)
"""The order of a report; questions not named here follow."""

_OURS = ("title", "question", "minimum", "none")


@dataclass(frozen=True, slots=True)
class Question:
    """One question, as its file has it: a header of comments, then the query."""

    key: str
    """The name of its file, by which commands and pages call it."""
    title: str
    words: str
    """The question as a person asks it."""
    minimum: int
    """Observations below which there is no answer, only a note."""
    none: str | None
    """What no row means where that is an answer; None where it is none."""
    columns: Mapping[str, str]
    """What each column means, in the order of the query."""
    sql: str


@lru_cache(maxsize=1)
def questions() -> tuple[Question, ...]:
    """Every question that is shipped, in the order of a report."""
    by_key = {path.stem: read(path) for path in FOLDER.glob("*.sql")}
    # A new file is in the report without a line of code; it comes last until it is given a place.
    first = [by_key.pop(key) for key in ORDER if key in by_key]
    return (*first, *(by_key[key] for key in sorted(by_key)))


def read(path: Path) -> Question:
    """Read one file; ValueError names what its header lacks."""
    lines = path.read_text(encoding="utf-8").splitlines()
    # The header ends at the first line that is no comment; comments further down belong to the
    # query.
    body = next((n for n, line in enumerate(lines) if not line.startswith("--")), len(lines))
    matches = [_LINE.fullmatch(line) for line in lines[:body]]
    header = {match["key"]: match["value"] for match in matches if match}
    missing = [key for key in ("title", "question", "minimum", "observations") if key not in header]
    if missing or not all(matches):
        raise ValueError(f"{path.name}: the header lacks {missing or 'a key on some line'}")
    return Question(
        key=path.stem,
        title=header["title"],
        words=header["question"],
        minimum=int(header["minimum"]),
        none=header.get("none"),
        columns={key: value for key, value in header.items() if key not in _OURS},
        sql="\n".join(lines[body:]).strip(),
    )
