"""One account's sync: plan, fetch, write, record. The heart, and it knows no orchestrator."""

from __future__ import annotations

from meta_pipeline.model.part import DEFAULT_PARTS, ENTITIES, EXTRAS, Part
from meta_pipeline.model.sync_run import Status, SyncRun

from .context import SyncContext
from .engine import SyncEngine
from .extras import Extras
from .plan.plan import Plan
from .plan.policy import PageSizes, PlanPolicy
from .progress import Progress
from .request import LateField, SyncRequest
from .run.discovery import Discovery

__all__ = [
    "DEFAULT_PARTS",
    "ENTITIES",
    "EXTRAS",
    "Discovery",
    "Extras",
    "LateField",
    "PageSizes",
    "Part",
    "Plan",
    "PlanPolicy",
    "Progress",
    "Status",
    "SyncContext",
    "SyncEngine",
    "SyncRequest",
    "SyncRun",
]
