"""An account that a tenant's own connection gave it is told from one granted by hand."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
