"""The ads' rows of an ad set and of a campaign are found by index."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
