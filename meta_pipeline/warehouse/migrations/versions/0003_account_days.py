"""The present and the account's day; the SQL is in `0003_account_days.sql`."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
