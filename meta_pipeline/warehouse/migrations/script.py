"""Script: run the SQL file of a revision."""

from __future__ import annotations

from pathlib import Path

from alembic import op


def run(revision_file: str) -> None:
    """Run the `.sql` file beside the revision's own file, in the migration's transaction."""
    statements = Path(revision_file).with_suffix(".sql").read_text(encoding="utf-8")
    # Past SQLAlchemy: a colon or a percent sign in a comment is no parameter.
    op.get_bind().exec_driver_sql(statements, execution_options={"no_parameters": True})
