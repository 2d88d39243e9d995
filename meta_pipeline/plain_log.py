"""Plain log: log lines in which text of others is only text, for people or, as JSON, for programs.

`META_LOG_FORMAT=json` makes one object of each line: `message` is constant, so that lines can be
counted by it, and what it is about stands in fields of its own. A record says them as
`extra={"facts": {"account_id": ..., "calls": ..., "quota_pct": ..., "wait_seconds": ...}}`.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from .printable import printable
from .redaction import redact

_OURS = "meta_pipeline"
_LINE = "%(asctime)s %(levelname)-7s %(message)s"


class PlainFormatter(logging.Formatter):
    """Formats as logging does, without secrets and what a terminal would obey.

    Line breaks stay, and what follows one is indented: text of others begins no line of the log.
    As JSON where the settings say so.
    """

    def format(self, record: logging.LogRecord) -> str:
        from .settings import SettingsError, current  # noqa: PLC0415  # a line needs them, no start

        # Wrong settings are told by whoever reads them, not by the log.
        try:
            wants_json = current().log_format == "json"
        except SettingsError:
            wants_json = False
        if wants_json:
            return as_json(record)
        return printable(redact(super().format(record))).replace("\n", "\n  ")


def as_json(record: logging.LogRecord) -> str:
    """The record as one line of JSON: time (UTC), level, logger, message, text, its facts.

    `message` is what the code says, with places for what varies; `text` is the whole sentence,
    where they differ. No field of a record can take the place of these.
    """
    text = record.getMessage()
    told: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "message": str(record.msg),
    }
    if text != told["message"]:
        told["text"] = text
    if record.exc_info:
        told["traceback"] = logging.Formatter().formatException(record.exc_info)
    cleaned = {name: redact(value) for name, value in told.items()}
    facts = getattr(record, "facts", {})
    told_of = {name: redact(one) if isinstance(one, str) else one for name, one in facts.items()}
    return json.dumps({**told_of, **cleaned}, default=_fact)


def _fact(value: object) -> str:
    """A moment as ISO 8601, all else as its text."""
    return value.isoformat() if isinstance(value, datetime) else redact(str(value))


def keep_plain() -> None:
    """Let what is logged without any handler, which goes to standard error, be plain too."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(PlainFormatter())


def show_log() -> None:
    """Let our ordinary log be seen on standard error: a run's compute log, a service's journal."""
    ours = logging.getLogger(_OURS)
    if not ours.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(PlainFormatter(_LINE))
        ours.addHandler(handler)
    if ours.level == logging.NOTSET:
        ours.setLevel(logging.INFO)
