"""Names: what our part of a database is called, for those who need no table of it."""

from __future__ import annotations

SCHEMA = "meta_ads"
