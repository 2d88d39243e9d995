"""The newest run of each kind is found by index."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
