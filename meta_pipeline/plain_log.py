"""Plain log: log lines in which text of others is only text, wherever the log is read."""

from __future__ import annotations

import logging

from .printable import printable


class PlainFormatter(logging.Formatter):
    """Formats as logging does, without what a terminal would obey; line breaks stay."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def keep_plain() -> None:
    """Let what is logged without any handler, which goes to standard error, be plain too."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(PlainFormatter())
