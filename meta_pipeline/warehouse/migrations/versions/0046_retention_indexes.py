"""Retention finds what it removes by indexes, however much stays."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
