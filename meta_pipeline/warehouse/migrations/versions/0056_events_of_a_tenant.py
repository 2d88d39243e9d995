"""What a tenant's members did last is found by index."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
