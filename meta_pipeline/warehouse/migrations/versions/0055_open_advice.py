"""Advice says itself whether it is open, and is found by day."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
