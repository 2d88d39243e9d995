"""The budget of each app: calls and their hourly totals say which app made them."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
