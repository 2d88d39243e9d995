"""What syncs read of the extras: creatives and the change log."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
