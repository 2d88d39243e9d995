"""The days of an ad set and of a campaign are found by index, as those of an ad are."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
