"""Somebody else's Dagster project: what `create-dagster` makes, in an environment of its own."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from meta_pipeline.simulator import DEFAULT_TOKEN

from .environments import Environment, python
from .pages import DBT, Reader


def project(built: Path, folder: Path, dagster: str, database_url: str, graph_url: str) -> Reader:
    """What `create-dagster` makes, with the Dagster it wants and nothing of ours."""
    interpreter = python("3.12") or python("3.11") or "3.11"
    maker = Environment.made(folder / "maker", folder, interpreter)
    maker.install(f"create-dagster=={dagster}")
    maker.run("create-dagster", "project", "theirs", "--no-uv-sync")
    environment = Environment.made(folder / "venv", folder / "theirs", interpreter)
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join([f"dagster=={dagster}", *DBT]), encoding="utf-8")
    environment.install("--constraint", constraints, "dagster-dg-cli", "-e", environment.folder)
    (environment.folder / "home").mkdir()
    rest = urlsplit(database_url)
    return Reader(
        environment,
        built,
        said={
            "DATABASE_URL": database_url,
            "META_GRAPH_URL": graph_url,
            "META_ACCESS_TOKEN": DEFAULT_TOKEN,
        },
        constraints=constraints,
        env={
            "DAGSTER_HOME": str(environment.folder / "home"),
            "PGHOST": str(rest.hostname),
            "PGPORT": str(rest.port),
            "PGUSER": str(rest.username),
            "PGPASSWORD": rest.password or "none",
            "PGDATABASE": rest.path.lstrip("/"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        },
    )
