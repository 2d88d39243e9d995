"""What was advised last is found by index."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
