"""What was asked and what was answered; secrets never get in."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

_HEAD = (
    f"{'#':>5} {'time':12} {'method':6} {'status':>6} {'code':>12} {'rows':>5} {'bytes':>8} "
    f"{'fault or flag':20} path"
)


@dataclass(frozen=True)
class Entry:
    """One request with its answer."""

    number: int
    """From 1, since the journal was cleared."""
    time: datetime
    method: str
    path: str
    params: dict[str, Any]
    """Secrets are replaced."""
    account_id: str | None
    status: int
    code: int | None
    """Of an error; so is `subcode`."""
    subcode: int | None
    rows: int
    size_bytes: int
    latency_ms: float
    fault: str | None
    """Name of the fault that struck."""
    flag: str | None
    """Why nobody should have sent it, if so."""
    in_batch: bool = False

    @property
    def error(self) -> str:
        """`code` or `code/subcode` of a refusal; empty for an answer."""
        return "/".join(str(part) for part in (self.code, self.subcode) if part)

    @property
    def query(self) -> str:
        """The parameters as text, the token left out."""
        shown = {key: value for key, value in self.params.items() if key != "access_token"}
        return " ".join(f"{key}={value}" for key, value in shown.items())

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "time": self.time.isoformat()}


class Journal:
    """The last `keep` requests, and counts of all of them."""

    def __init__(self, keep: int = 10_000) -> None:
        self._entries: deque[Entry] = deque(maxlen=keep)
        self._lock = threading.Lock()
        self._number = 0
        self.statuses: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        with self._lock:
            return iter(tuple(self._entries))

    def __getitem__(self, index: int) -> Entry:
        return self._entries[index]

    @property
    def total(self) -> int:
        """Requests since the last `clear`, those that fell out of `keep` included."""
        return self._number

    def add(self, **values: Any) -> Entry:
        with self._lock:
            # Goes on when old entries fall out: numbers are never given twice.
            self._number += 1
            entry = Entry(number=self._number, **values)
            self._entries.append(entry)
            self.statuses[entry.status] += 1
        return entry

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self.statuses.clear()
            self._number = 0

    def find(self, *, path: str | None = None, **wanted: Any) -> list[Entry]:
        """Entries whose path contains `path` and whose other attributes equal `wanted`."""
        return [
            entry
            for entry in self
            if (path is None or path in entry.path)
            and all(getattr(entry, name) == value for name, value in wanted.items())
        ]

    def count(self, *, path: str | None = None, **wanted: Any) -> int:
        """How many `find` finds: `count(code=80004)`, `count(path="/ads", method="GET")`."""
        return len(self.find(path=path, **wanted))

    def unexpected(self) -> list[Entry]:
        """Requests for routes, fields, values or parameters that do not exist."""
        return [entry for entry in self if entry.flag]

    def table(self, last: int = 50) -> str:
        """The last requests as a plain table, for a failing test or a terminal."""
        lines = [_HEAD]
        for entry in list(self)[-last:]:
            code = "" if entry.code is None else f"{entry.code}/{entry.subcode or '-'}"
            note = entry.fault or entry.flag or ""
            lines.append(
                f"{entry.number:>5} {entry.time:%H:%M:%S.%f}"[:18]
                + f" {entry.method:6} {entry.status:>6} {code:>12} {entry.rows:>5} "
                f"{entry.size_bytes:>8} {note[:20]:20} {entry.path} {entry.query}"[:400]
            )
        return "\n".join(lines)
