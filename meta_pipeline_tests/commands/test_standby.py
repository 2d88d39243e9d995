"""A hot standby, which answers every question and takes no row: each command says so, or reads."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.embedded import EmbeddedPostgres
from meta_pipeline_tests.postgres import scratch_folder

from .database_shell import Shell, shell, sim

__all__ = ["shell", "sim"]


@pytest.fixture(scope="module")
def standby() -> Iterator[str]:
    """A server of its own that recovers for ever, with the tables of `meta_ads` in it."""
    folder = scratch_folder() / f"meta-pipeline-standby-{os.getpid()}-{secrets.token_hex(4)}"
    server = EmbeddedPostgres(folder, database="tests")
    try:
        with server.running() as url, Warehouse(url) as warehouse:
            warehouse.migrate()
        data = server.status().data_folder
        version = next(data.rglob("PG_VERSION"))
        signal = version.with_name("standby.signal")
        signal.touch(mode=0o600)
        owner = version.stat()
        os.chown(signal, owner.st_uid, owner.st_gid)
        with server.running() as url:
            yield url
        server.reset()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_what_writes_is_refused_in_one_sentence_and_what_reads_answers(
    standby: str, shell: Shell, tmp_path: Path
) -> None:
    with psycopg.connect(standby) as connection:
        assert connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
    told = shell.refused(standby, "check")
    assert "this server is a read-only standby" in told
    assert "point DATABASE_URL at the primary" in told
    told = shell.refused(standby, "sync", "ACT")
    assert "primary" in told, told
    for command in (["migrate"], ["db", "maintain"]):
        assert "primary" in shell.refused(standby, *command)
    for command in (["status"], ["report"]):
        result = shell.run(standby, *command)
        assert result.exit_code == 0, result.output
