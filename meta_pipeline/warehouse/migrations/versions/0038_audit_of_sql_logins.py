"""The audit keeps what is done with tenants and SQL logins by command."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
