"""metrics; the SQL is in `0002_metrics.sql`."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
