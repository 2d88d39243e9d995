"""DATABASE_URL: every spelling works for the whole product, and no password is shown by it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import sqlalchemy as sa

from meta_pipeline.commands.processes.execute import dagster_environment
from meta_pipeline.settings import Settings
from meta_pipeline.settings.secret_files import with_passfile
from meta_pipeline.warehouse import Warehouse, create_dagster_schema, dagster_url
from meta_pipeline_tests.warehouse.places import PASSWORD, Place, place

from .database_shell import Shell, shell, sim

__all__ = ["place", "shell", "sim"]


@contextmanager
def unix_socket(place: Place, folder: Path) -> Iterator[None]:
    """A socket in the folder that leads to the server, as Postgres itself would make one."""
    server = urlsplit(place.url)
    assert server.hostname
    assert server.port
    target = (server.hostname, server.port)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / ".s.PGSQL.5432"))
    listener.listen()

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            session = socket.create_connection(target)
            for source, sink in ((client, session), (session, client)):
                threading.Thread(target=_pipe, args=(source, sink), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _pipe(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def _spellings(place: Place, folder: Path) -> dict[str, str]:
    server = urlsplit(place.url)
    at, who, db = f"{server.hostname}:{server.port}", place.role, place.database
    in_query = quote(str(folder), safe="")
    return {
        "postgres": f"postgres://{who}:{PASSWORD}@{at}/{db}",
        "psycopg": f"postgresql+psycopg://{who}:{PASSWORD}@{at}/{db}",
        "psycopg2": f"postgresql+psycopg2://{who}:{PASSWORD}@{at}/{db}",
        "percent": f"postgresql://{who}:{PASSWORD.replace('T', '%54')}@{at}/{quote(db)}",
        "socket in the query": f"postgresql:///{db}?host={folder}&user={who}&password={PASSWORD}",
        "socket as the host": f"postgresql://{who}:{PASSWORD}@{in_query}:5432/{db}",
        "socket and login": f"postgresql://{who}:{PASSWORD}@/{db}?host={in_query}&port=5432",
        "several hosts": f"postgresql://{who}:{PASSWORD}@127.0.0.1:1,{at}/{db}"
        "?target_session_attrs=read-write",
        "several in the query": f"postgresql://{who}:{PASSWORD}@/{db}?host=127.0.0.1,127.0.0.1"
        f"&port=1,{server.port}",
        "words": f"host={server.hostname} port={server.port} dbname={db} user={who} "
        f"password='{PASSWORD}'",
        "words with a socket": f"host={folder} dbname={db} user={who} password={PASSWORD}",
        "service": "postgresql:///?service=ads",
        "service in words": "service=ads",
        "login in the query": f"postgresql:///{db}?host={folder}&password={PASSWORD}&user={who}",
        "hostaddr": f"postgresql://{who}:{PASSWORD}@localhost:{server.port}/{db}?hostaddr=127.0.0.1",
    }


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder with a name that fits into a socket's address."""
    folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    yield folder
    shutil.rmtree(folder)


def test_every_spelling_works_for_the_whole_product(
    place: Place, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = urlsplit(place.url)
    service = short_folder / "services.conf"
    service.write_text(
        f"[ads]\nhost={server.hostname}\nport={server.port}\ndbname={place.database}\n"
        f"user={place.role}\npassword={PASSWORD}\n"
    )
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    whom = "SELECT current_user, current_database()"
    with unix_socket(place, short_folder):
        for name, url in _spellings(place, short_folder).items():
            with Warehouse(url) as warehouse:
                warehouse.migrate()  # alembic's connection, the first time
                with warehouse.connection() as connection:
                    found = connection.execute(whom).fetchone()
            assert found == (place.role, place.database), name
            create_dagster_schema(url)
            engine = sa.create_engine(dagster_url(url), poolclass=sa.NullPool)
            with engine.connect() as opened:
                assert tuple(opened.execute(sa.text(whom)).one()) == found, name
            hidden = sa.create_engine(with_passfile(dagster_url(url), short_folder))
            with hidden.connect() as opened:
                assert tuple(opened.execute(sa.text(whom)).one()) == found, name
            hidden.dispose()
            assert PASSWORD not in repr(warehouse)


def test_a_password_alone_is_hidden_for_a_socket(short_folder: Path) -> None:
    url = with_passfile(dagster_url("postgresql:///db?host=/run&password=Secr3t"), short_folder)
    assert url.startswith("postgresql+psycopg2:///db?host=")
    assert sa.make_url(url).query["passfile"] == str(short_folder / "pgpass")
    assert "Secr3t" not in url


ODD = ("/", "#", "?", "%", "@", "[", "]", ":", " ", "'", '"', "é", "|RI*[?j(-(l]{(")


@pytest.mark.parametrize("odd", ODD)
def test_no_command_shows_an_odd_password(shell: Shell, odd: str) -> None:
    password = f"Secr3t{odd}Tail9x"
    for url in (
        f"postgresql://meta:{password}@127.0.0.1:1/db",
        f"postgresql://meta:{quote(password, safe='')}@127.0.0.1:1/db",
    ):
        for command in (
            ["db", "status"],
            ["db", "url"],
            ["migrate"],
            ["status"],
            ["sync", "ACT"],
            ["report"],
        ):
            shell.run(url, *command)


def test_no_check_shows_an_odd_password(shell: Shell) -> None:
    for odd in "/@":
        result = shell.run(f"postgresql://meta:Secr3t{odd}Tail9x@127.0.0.1:1/db", "check")
        assert result.exit_code == 1
        assert f"must be written {quote(odd, safe='')}" in result.output


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: url.replace(PASSWORD, "wrong"), "Check user and password"),
        (lambda url: url.rpartition("/")[0] + "/nowhere", "CREATE DATABASE <name>"),
        (lambda url: url.replace("127.0.0.1", "no-such-host.invalid"), "Check the host"),
        (lambda url: "postgresql://u@127.0.0.1:1/db", "that the server runs"),
    ],
    ids=["password", "database", "host", "port"],
)
def test_who_is_not_let_in_is_told_why(
    shell: Shell, place: Place, change: Callable[[str], str], words: str
) -> None:
    for command in (["status"], ["migrate"], ["sync", "ACT"], ["report"]):
        assert words in shell.refused(change(place.url), *command)


def test_dagsters_processes_read_times_as_we_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.load(DATABASE_URL="postgresql://u:p@h/db")
    given = {"DAGSTER_HOME": str(tmp_path), "PGTZ": "Asia/Kathmandu", "PGCLIENTENCODING": "LATIN1"}
    made = dagster_environment(settings, given)
    assert made["PGTZ"] == "UTC"
    assert made["PGCLIENTENCODING"] == "UTF8"
    assert made["DAGSTER_GRPC_TIMEOUT_SECONDS"] == "300"
    longer = {**given, "DAGSTER_GRPC_TIMEOUT_SECONDS": "600"}
    assert dagster_environment(settings, longer)["DAGSTER_GRPC_TIMEOUT_SECONDS"] == "600"
    elsewhere = Settings.load(
        DATABASE_URL="postgresql://u:p@pooler/db", DAGSTER_PG_URL="postgres://u:p@h/db"
    )
    assert sa.make_url(dagster_environment(elsewhere, given)["DAGSTER_PG_URL"]).host == "h"
