"""Webhook deliveries."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
