"""What the tables of custom reports are about; those tables themselves are the user's."""

from __future__ import annotations

from .columns import json, moment, table, text

custom_reports = table(
    "custom_reports",
    "One row per custom report of META_REPORTS_FILE that has a table, report_<name>",
    text("report", "Name of the report; its table is report_<name>", primary_key=True),
    json(
        "grain",
        "What one row of its table is about: level, breakdowns, days; it never changes",
        nullable=False,
    ),
    json("definition", "The report as the file last described it", nullable=False),
    json(
        "fields_since",
        "Since when each of its fields has a column: rows read before have it null",
        nullable=False,
    ),
    moment("created_at", "When its table was made", nullable=False),
    moment("changed_at", "When the file last described it otherwise", nullable=False),
)

__all__ = ["custom_reports"]
