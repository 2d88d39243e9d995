"""Custom conversions, custom audiences and images."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
