"""Which facts a tenant has, without reading all of them."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
