"""All rows of an ad account are found by index."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
