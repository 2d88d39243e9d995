"""Days that are not believed: what they lack, and how often they were read so."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
