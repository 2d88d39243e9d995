"""A command that serves and is told to end stops the embedded server, as its last user."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meta_pipeline.embedded import EmbeddedPostgres
from meta_pipeline.local.ports import answers
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.embedded.fixtures import temporary_root
from meta_pipeline_tests.processes import closable_terminal
from meta_pipeline_tests.waiting import PATIENCE_SECONDS, wait_until


@pytest.fixture(scope="module")
def data_root() -> Iterator[Path]:
    """The folder of an embedded server with our tables, which does not run."""
    with temporary_root() as folder:
        with EmbeddedPostgres(folder).running() as url, Warehouse(url) as warehouse:
            warehouse.migrate()
        yield folder


@pytest.mark.parametrize(
    ("command", "number"),
    [
        (("web",), signal.SIGTERM),
        (("exporter",), signal.SIGTERM),
        (("exporter",), signal.SIGHUP),
        (("mcp", "--http"), signal.SIGTERM),
        (("mcp",), signal.SIGTERM),
    ],
    ids=lambda value: getattr(value, "name", None) or " ".join(value),
)
def test_the_embedded_server_ends_with_the_last_command_that_serves(
    data_root: Path, tmp_path: Path, command: tuple[str, ...], number: signal.Signals
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    is_over_http = command != ("mcp",)
    arguments = [*command, "--port", str(port)] if is_over_http else list(command)
    given = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    server = EmbeddedPostgres(data_root)
    with closable_terminal():
        process = subprocess.Popen(
            [sys.executable, "-m", "meta_pipeline.cli", *arguments],
            cwd=tmp_path,
            env={**given, "META_PIPELINE_DATA": str(data_root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    with process:
        wait_until(lambda: answers(port) if is_over_http else server.status().users, "it serves")
        assert server.status().running
        process.send_signal(number)
        process.wait(PATIENCE_SECONDS)
    assert not server.status().running
    assert server.status().users == 0
