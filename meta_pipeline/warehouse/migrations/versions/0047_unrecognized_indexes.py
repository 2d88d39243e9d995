"""Retention of what was not understood, and what Meta says of the API version without the rest."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
