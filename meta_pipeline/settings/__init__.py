"""Every setting, typed, in one place: what it is called, where it was looked for, what is wrong."""

from __future__ import annotations

from .connection import META_GRAPH_URL
from .settings import Settings, SettingsError, current

__all__ = ["META_GRAPH_URL", "Settings", "SettingsError", "current"]
