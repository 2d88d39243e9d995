"""Custom reports: tables of insights that users describe in a file; pure, no call, no database."""

from __future__ import annotations

from .file import ReportsError, load, parse
from .presets import PRESETS
from .report import CustomReport, ReportFilter

__all__ = ["PRESETS", "CustomReport", "ReportFilter", "ReportsError", "load", "parse"]
