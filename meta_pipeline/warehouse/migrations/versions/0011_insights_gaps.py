"""What Meta could not answer of a day, and reports that a sync did not wait for."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
