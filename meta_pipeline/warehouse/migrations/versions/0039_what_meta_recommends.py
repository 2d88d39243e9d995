"""What Meta recommends."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
