"""What Meta recommends now is found by index."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
