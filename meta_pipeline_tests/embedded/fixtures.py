"""Folders and processes for the tests of the embedded server."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from meta_pipeline.embedded import EmbeddedPostgres
from meta_pipeline_tests.postgres import scratch_folder
from meta_pipeline_tests.processes import CHILDREN

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@contextmanager
def temporary_root(above: Path | None = None) -> Iterator[Path]:
    """A fresh data root that every account can enter; pytest's own only its owner can."""
    folder = Path(tempfile.mkdtemp(prefix="embedded-", dir=above or scratch_folder()))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        EmbeddedPostgres(folder).reset(force=True)
        shutil.rmtree(folder)


@pytest.fixture
def empty_root() -> Iterator[Path]:
    """A root where nothing was ever started."""
    with temporary_root() as folder:
        yield folder


@pytest.fixture(scope="session")
def seed() -> Iterator[Path]:
    """The folder of a server that was started once: copying it is faster than initdb."""
    with temporary_root() as folder:
        with EmbeddedPostgres(folder).running():
            pass
        (folder / "postgres" / "port").unlink()
        yield folder / "postgres"


@pytest.fixture
def root(seed: Path) -> Iterator[Path]:
    """A root with a server of its own that has run before."""
    with temporary_root() as folder:
        subprocess.run(["cp", "-a", seed, folder], check=True)
        yield folder


def ask(url: str, query: str, *parameters: Any) -> Any:
    """Run one statement; the first column of its first row, if it has any."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        cursor = connection.execute(query, parameters)
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def answers(url: str) -> bool:
    try:
        return bool(ask(url, "SELECT 1"))
    except psycopg.OperationalError:
        return False


def postmaster_pid(root: Path) -> int:
    return int(pid_file(root).read_text().split("\n", 1)[0])


def pid_file(root: Path) -> Path:
    return next((root / "postgres").glob("*/postmaster.pid"))


class Child:
    """A process of the test; `target` talks through the pipe it is given."""

    def __init__(self, target: Callable[..., None], *arguments: object) -> None:
        self._pipe, theirs = CHILDREN.Pipe()
        self.process: BaseProcess = CHILDREN.Process(target=target, args=(theirs, *arguments))
        self.process.start()
        theirs.close()

    def hear(self) -> Any:
        assert self._pipe.poll(60), "the child process says nothing"
        return self._pipe.recv()

    def tell(self, word: object = "go on") -> None:
        self._pipe.send(word)

    def end(self) -> None:
        self.process.join(60)
        assert self.process.exitcode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.join(60)


def use_server(pipe: Connection, root: Path) -> None:
    """Use the server until told to go on: the body of a child process."""
    with EmbeddedPostgres(root).running() as url:
        pipe.send(str(ask(url, "SELECT pg_postmaster_start_time()")))
        pipe.recv()
