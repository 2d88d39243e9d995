"""The tables of schema meta_ads; the SQL beside it is the first released form, written out."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
