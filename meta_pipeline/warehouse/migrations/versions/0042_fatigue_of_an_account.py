"""What webhooks told of tired creatives is found by account."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
