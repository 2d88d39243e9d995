"""What calls cost is learned once an hour for all, and kept for each day, app and account."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0052"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
