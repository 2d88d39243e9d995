"""The comment of meta_insights says that its levels repeat each other."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
