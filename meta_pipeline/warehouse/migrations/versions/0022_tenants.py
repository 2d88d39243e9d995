"""Tenants."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
