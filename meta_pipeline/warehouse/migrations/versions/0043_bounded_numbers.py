"""Numbers in text are bounded; changes of an entity are put together from the newest back."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
