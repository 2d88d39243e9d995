"""The API log added up by hour; the SQL is in `0004_api_totals.sql`."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
