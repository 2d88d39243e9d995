"""Choices of accounts that can be changed later, ticked over many pages."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
