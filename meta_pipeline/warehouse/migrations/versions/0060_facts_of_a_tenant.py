"""Facts of a tenant about an account are found without those that other tenants sent about it."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
