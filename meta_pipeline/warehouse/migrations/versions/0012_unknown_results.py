"""Results are null where nothing here counts an ad set's goal."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
