"""Sessions that were ended, and for which tenant a sync was asked."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
