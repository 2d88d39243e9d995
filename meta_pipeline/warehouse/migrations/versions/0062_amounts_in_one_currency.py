"""Views add up amounts of one currency alone."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
