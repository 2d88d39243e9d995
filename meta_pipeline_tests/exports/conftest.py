"""Where tests export to: a folder that is filled, and a server on this machine that speaks S3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

from meta_pipeline_tests.waiting import PATIENCE_SECONDS

from .lake import SECRET, fill, fill_place


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket of this test's own, which the environment opens."""
    for name, value in {
        "AWS_ENDPOINT_URL": s3_url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    files = S3FileSystem(
        skip_instance_cache=True,
        config_kwargs={"connect_timeout": PATIENCE_SECONDS, "read_timeout": PATIENCE_SECONDS},
    )
    name = f"bucket-{len(files.ls(''))}"
    files.mkdir(name)
    return name


@pytest.fixture
def url(postgres_url: str) -> str:
    """Tables with something to export."""
    fill(postgres_url)
    return postgres_url


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that is not there yet."""
    return tmp_path / "lake"


@pytest.fixture
def filled(postgres_url: str, tmp_path: Path) -> Path:
    """A folder with an export in which files were replaced."""
    fill_place(postgres_url, str(tmp_path))
    return tmp_path
