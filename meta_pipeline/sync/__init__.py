"""One account's sync: plan, fetch, write, record. The heart, and it knows no orchestrator."""

from __future__ import annotations

from .context import SyncContext
from .discovery import Discovery
from .engine import SyncEngine
from .extras import Extras
from .page_sizes import PageSizes
from .plan import Plan
from .policy import PlanPolicy
from .progress import Progress
from .record import Status, SyncRecord
from .request import DEFAULT_PARTS, ENTITIES, EXTRAS, Part, SyncRequest

__all__ = [
    "DEFAULT_PARTS",
    "ENTITIES",
    "EXTRAS",
    "Discovery",
    "Extras",
    "PageSizes",
    "Part",
    "Plan",
    "PlanPolicy",
    "Progress",
    "Status",
    "SyncContext",
    "SyncEngine",
    "SyncRecord",
    "SyncRequest",
]
