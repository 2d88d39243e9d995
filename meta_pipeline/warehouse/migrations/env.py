"""Alembic's way in: runs the revisions on the connection that `migrator` hands over."""

from __future__ import annotations

from alembic import context

from meta_pipeline.warehouse.migrator import comparison_options

context.configure(connection=context.config.attributes["connection"], **comparison_options())
# No transaction here: the caller has one open and holds the lock in it.
context.run_migrations()
