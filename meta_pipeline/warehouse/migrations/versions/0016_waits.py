"""How long each call was held back for quota, and why."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
