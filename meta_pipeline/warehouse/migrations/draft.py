"""Draft: write the next revision from what `schema/` has and the revisions so far do not make."""

from __future__ import annotations

import io
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from alembic.autogenerate import produce_migrations
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.operations.ops import MigrateOperation, OpContainer
from psycopg import sql

from meta_pipeline.warehouse import migrator
from meta_pipeline.warehouse.schema import metadata

VERSIONS = Path(__file__).parent / "versions"

_REVISION = '''\
"""{message}."""

from __future__ import annotations

from meta_pipeline.warehouse.migrations.script import run

revision = "{revision}"
down_revision = {down_revision!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(__file__)
'''


def draft(url: str, message: str, folder: Path = VERSIONS) -> list[Path]:
    """Write the next revision to `folder` and give its files; none when there is nothing to do."""
    known = migrator.revisions()
    # Compared with what the revisions make, not with somebody's database: that may have drifted.
    with _scratch_database(url) as scratch:
        migrator.migrate(scratch, with_views=False)
        statements = _sql(scratch)
    if not statements:
        return []
    revision = f"{len(known) + 1:04}"
    name = f"{revision}_{re.sub(r'[^a-z0-9]+', '_', message.lower()).strip('_')}"
    sql_file, python_file = folder / f"{name}.sql", folder / f"{name}.py"
    sql_file.write_text(f"-- {message}.\n\n{statements}\n", encoding="utf-8")
    python_file.write_text(
        _REVISION.format(
            message=message,
            revision=revision,
            down_revision=known[-1] if known else None,
        ),
        encoding="utf-8",
    )
    return [sql_file, python_file]


def _sql(url: str) -> str:
    """The statements alembic would run, rendered instead of run."""
    with migrator.engine(url).connect() as connection:
        compared = MigrationContext.configure(connection, opts=migrator.comparison_options())
        operations = produce_migrations(compared, metadata).upgrade_ops
        text = io.StringIO()
        rendered = MigrationContext.configure(
            dialect_name="postgresql", opts={"as_sql": True, "output_buffer": text}
        )
        runner = Operations(rendered)
        for operation in _flat(operations):
            runner.invoke(operation)
    return re.sub(r" +\n", "\n", text.getvalue().replace("\t", "    ")).strip()


def _flat(operation: MigrateOperation | None) -> Iterator[MigrateOperation]:
    if isinstance(operation, OpContainer):
        for inner in operation.ops:
            yield from _flat(inner)
    elif operation is not None:
        yield operation


@contextmanager
def _scratch_database(url: str) -> Iterator[str]:
    name = f"draft_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True, client_encoding="UTF8") as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )


if __name__ == "__main__":
    for path in draft(sys.argv[1], sys.argv[2]):
        sys.stdout.write(f"{path}\n")
