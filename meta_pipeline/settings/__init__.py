"""Every setting, typed, in one place: what it is called, where it was looked for, what is wrong."""

from __future__ import annotations

from .chosen import Chosen
from .connection import META_GRAPH_URL
from .reading import breakdown_names
from .settings import Settings, SettingsError, content_of, current, variable_names

__all__ = [
    "META_GRAPH_URL",
    "Chosen",
    "Settings",
    "SettingsError",
    "breakdown_names",
    "content_of",
    "current",
    "variable_names",
]
