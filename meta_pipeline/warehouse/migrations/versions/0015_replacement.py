"""Rows that Meta took back, and where the first backfill of a kind of insights began."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
