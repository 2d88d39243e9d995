"""Up to when rows are added up for counters."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
