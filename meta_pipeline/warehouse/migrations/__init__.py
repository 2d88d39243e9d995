"""Alembic revisions of schema `meta_ads`, as package data; `migrator` runs them.

A revision is two files in `versions/`: a few lines of Python, and the SQL it runs. After a change
of `schema/`, draft the next one against a Postgres where a database may be made:

    python -m meta_pipeline.warehouse.migrations.draft postgresql://... "what it does"

then read it: revisions only expand, and alembic does not see renamed columns.
"""
