"""Functions that catch errors stay out of parallel plans where the server refuses them there."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
