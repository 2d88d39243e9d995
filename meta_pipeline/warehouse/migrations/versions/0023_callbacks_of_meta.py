"""Callbacks of Meta."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
