"""Alerts."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
