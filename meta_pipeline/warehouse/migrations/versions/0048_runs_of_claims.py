"""The syncs of a Dagster run and the requests of a claim are found by index."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
