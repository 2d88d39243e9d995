"""The ledger counts the rows that did not come again and stay."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
