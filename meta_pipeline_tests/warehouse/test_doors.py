"""Every connection to Postgres goes through one door, and every other one is named here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import meta_pipeline

ROOT = Path(meta_pipeline.__file__).parent
OPENS = {"connect", "ConnectionPool", "AsyncConnectionPool", "create_engine", "AsyncConnection"}
OWN = "HeardConnection"
"""The class of our connections, which psycopg's `connect` makes."""
EXCEPTIONS = {
    "warehouse/connect.py": "the door",
    "warehouse/warehouse.py": "the pool, of the door's arguments",
    "warehouse/migrator.py": "SQLAlchemy for Alembic, of the door's connections",
    "warehouse/dagster_schema.py": "SQLAlchemy for Dagster's own tables",
    "warehouse/migrations/draft.py": "a scratch database, which it makes",
    "embedded/connection.py": "the server is made with it",
}


def _opens(path: Path) -> bool:
    """Whether the module calls what opens a connection, by a name of psycopg or SQLAlchemy."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {
        (alias.asname or alias.name).partition(".")[0]: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name.partition(".")[0] in ("psycopg", "psycopg_pool", "sqlalchemy", "psycopg2")
    }
    called = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").partition(".")[0] in ("psycopg", "psycopg_pool", "sqlalchemy")
        for alias in node.names
        if alias.name in OPENS
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        of = node.func
        if isinstance(of, ast.Name) and of.id in called:
            return True
        if isinstance(of, ast.Attribute) and of.attr in OPENS:
            owner = of.value
            while isinstance(owner, ast.Attribute):
                owner = owner.value
            if isinstance(owner, ast.Name) and owner.id in (*names, OWN):
                return True
    return False


def test_no_other_module_opens_a_connection() -> None:
    opening = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if "simulator" not in path.parts and _opens(path)
    }
    assert opening == EXCEPTIONS.keys()


@pytest.mark.parametrize("module", EXCEPTIONS)
def test_each_that_does_says_how_text_is_encoded(module: str) -> None:
    text = (ROOT / module).read_text(encoding="utf-8")
    from_the_door = any(
        isinstance(node, ast.ImportFrom) and (node.module or "").endswith("connect")
        for node in ast.walk(ast.parse(text))
    )
    assert from_the_door or "client_encoding" in text
