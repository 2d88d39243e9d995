"""The daily metrics by level become views with names over the rollup tables."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
