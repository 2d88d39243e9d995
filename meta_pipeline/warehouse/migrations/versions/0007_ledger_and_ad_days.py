"""When a day was first fetched, so that movements can be judged; the days of one ad by index."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
