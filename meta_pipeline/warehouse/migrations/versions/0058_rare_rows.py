"""Requests that came to nothing and recommendations that are gone are found by index."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
