"""Changes of the ad account itself are in entity_changes too."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
