"""What happens to the embedded server on a bad day."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

import psycopg
import psycopg2
import pytest

from meta_pipeline.commands.database import database
from meta_pipeline.embedded import EmbeddedPostgres, ServerStartError
from meta_pipeline.embedded.connection import PortAnswer, probe
from meta_pipeline.embedded.deadline import Patience
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import WarehouseError, connect, dagster_url
from meta_pipeline_tests.embedded.fixtures import (
    Child,
    answers,
    as_root,
    ask,
    empty_root,
    pid_file,
    postmaster_pid,
    root,
    seed,
    temporary_root,
    use_server,
)
from meta_pipeline_tests.processes import CHILDREN

__all__ = ["empty_root", "root", "seed"]


class Writer(threading.Thread):
    """Inserts row after row, each its own transaction, and notes what was acknowledged."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute("CREATE TABLE IF NOT EXISTS rows (id bigint PRIMARY KEY)")
        self.acknowledged: list[int] = []
        self.busy = threading.Event()

    def run(self) -> None:
        with closing(self._connection), suppress(psycopg.OperationalError):
            for number in count():
                self._connection.execute("INSERT INTO rows VALUES (%s)", [number])
                self.acknowledged.append(number)
                if number == 300:
                    self.busy.set()


def kill_while_writing(root: Path, url: str) -> list[int]:
    """Kill the server in the middle of writes; the rows it had acknowledged."""
    writer = Writer(url)
    writer.start()
    assert writer.busy.wait(60)
    os.kill(postmaster_pid(root), signal.SIGKILL)
    writer.join(60)
    return writer.acknowledged


def missing_rows(url: str, acknowledged: list[int]) -> int:
    query = "SELECT count(*) FROM unnest(%s::bigint[]) id WHERE id NOT IN (SELECT id FROM rows)"
    return int(ask(url, query, acknowledged))


def test_every_acknowledged_row_survives_kill_9(root: Path) -> None:
    with EmbeddedPostgres(root).running() as url:
        acknowledged = kill_while_writing(root, url)
        with EmbeddedPostgres(root).running() as again:
            assert again == url
            assert len(acknowledged) > 300
            assert missing_rows(again, acknowledged) == 0
    assert not answers(url)


def test_a_stale_pid_file_that_names_a_living_stranger(root: Path) -> None:
    with EmbeddedPostgres(root).running() as url:
        acknowledged = kill_while_writing(root, url)
    # Of the server's own account: Postgres does not mind a stranger whom it may not signal.
    account = pid_file(root).stat().st_uid if os.geteuid() == 0 else None
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True, user=account)
    try:
        _, _, others = pid_file(root).read_text().partition("\n")
        pid_file(root).write_text(f"{stranger.pid}\n{others}")
        assert not EmbeddedPostgres(root).status().running
        with EmbeddedPostgres(root).running() as again:
            assert missing_rows(again, acknowledged) == 0
        assert stranger.poll() is None, "the stranger was killed"
    finally:
        stranger.kill()
        stranger.wait()


def test_a_session_that_outlives_its_server_is_waited_for(root: Path) -> None:
    """Its shared memory says that the data folder is in use: two servers must not write there."""
    with EmbeddedPostgres(root).running() as url:
        with closing(psycopg.connect(url, autocommit=True)) as busy:
            session = busy.info.backend_pid
            busy.pgconn.send_query(b"SELECT pg_sleep(600)")
            _wait_for_activity(url, session)
            os.kill(session, signal.SIGSTOP)
            try:
                os.kill(postmaster_pid(root), signal.SIGKILL)
                impatient = EmbeddedPostgres(root, patience=Patience(timeout_seconds=1))
                with pytest.raises(ServerStartError, match="shared memory"):
                    impatient.start()
            finally:
                os.kill(session, signal.SIGKILL)
        with EmbeddedPostgres(root).running() as again:
            assert answers(again)


def _wait_for_activity(url: str, session: int) -> None:
    query = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
    while ask(url, query, session) == 0:
        pass


@contextmanager
def occupied(port: int) -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        listener.settimeout(60)
        yield listener


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1].split("/", maxsplit=1)[0])


def test_a_taken_port_is_left_alone_and_the_move_remembered(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with EmbeddedPostgres(root).running() as url:
        pass
    with occupied(port_of(url)), EmbeddedPostgres(root).running() as moved:
        assert port_of(moved) != port_of(url)
        assert answers(moved)
    assert f"Port {port_of(url)} is taken" in caplog.text
    with EmbeddedPostgres(root).running() as again:
        assert again == moved


def test_another_embedded_server_on_its_port_is_not_taken_for_ours(
    root: Path, empty_root: Path
) -> None:
    with EmbeddedPostgres(empty_root).running() as theirs:
        (root / "postgres" / "port").write_text(str(port_of(theirs)))
        with EmbeddedPostgres(root).running() as ours:
            assert port_of(ours) != port_of(theirs)
            assert answers(theirs)
        assert answers(theirs)


def test_even_with_the_same_password_the_data_folder_decides(root: Path, empty_root: Path) -> None:
    with EmbeddedPostgres(root).running() as url:
        password = url.split(":")[2].split("@")[0]
        other = probe(port_of(url), password, empty_root / "postgres" / "18")
        assert other.answer is PortAnswer.OTHER


def test_a_program_on_its_port_does_not_get_the_password(root: Path) -> None:
    with EmbeddedPostgres(root).running() as url:
        os.kill(postmaster_pid(root), signal.SIGKILL)
        _wait_until_closed(url)
        heard: list[bytes] = []
        with occupied(port_of(url)) as listener:
            thief = threading.Thread(target=_ask_for_the_password, args=(listener, heard))
            thief.start()
            with EmbeddedPostgres(root).running() as moved:
                assert port_of(moved) != port_of(url)
                assert answers(moved)
            listener.shutdown(socket.SHUT_RDWR)
            thief.join(60)
    assert any(b"meta" in message for message in heard), "it was never asked"
    assert url.split(":")[2].split("@")[0].encode() not in b"".join(heard)


@pytest.mark.parametrize("of_dagster", [False, True], ids=["ours", "of Dagster"])
def test_a_process_that_comes_back_tells_its_password_to_nobody(
    root: Path, monkeypatch: pytest.MonkeyPatch, of_dagster: bool
) -> None:
    """Whoever listens on the port of a server that fell asks a daemon that connects again."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    heard: list[bytes] = []
    with occupied(0) as listener, database(Settings.load(env_file=None, data_dir=root)) as url:
        thief = threading.Thread(target=_ask_for_the_password, args=(listener, heard))
        thief.start()
        port = listener.getsockname()[1]
        theirs = url.replace(f":{port_of(url)}/", f":{port}/")
        if of_dagster:
            driven = dagster_url(theirs).replace("postgresql+psycopg2:", "postgresql:")
            with pytest.raises(psycopg2.OperationalError):
                psycopg2.connect(driven, connect_timeout=10)
        else:
            with pytest.raises(WarehouseError):
                connect(theirs, application_name="test")
        listener.shutdown(socket.SHUT_RDWR)
        thief.join(60)
        assert psycopg.connect(url).execute("SELECT 1").fetchone() == (1,)
    assert any(b"meta" in message for message in heard), "it was never asked"
    assert url.split(":")[2].split("@")[0].encode() not in b"".join(heard)


def _wait_until_closed(url: str) -> None:
    while answers(url):
        pass


def _ask_for_the_password(listener: socket.socket, heard: list[bytes]) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(4096))
                while len(heard[-1]) == 8:  # asks for encryption: there is none
                    connection.sendall(b"N")
                    heard.append(connection.recv(4096))
                connection.sendall(b"R" + (8).to_bytes(4) + (3).to_bytes(4))  # "send it in clear"
                heard.append(connection.recv(4096))


@pytest.mark.slow
def test_a_server_that_hangs_is_not_started_twice(root: Path) -> None:
    with EmbeddedPostgres(root).running() as url:
        pid = postmaster_pid(root)
        os.kill(pid, signal.SIGSTOP)
        try:
            impatient = EmbeddedPostgres(root, patience=Patience(timeout_seconds=1))
            with pytest.raises(ServerStartError, match=f"Port {port_of(url)}.*nothing answers"):
                impatient.start()
        finally:
            os.kill(pid, signal.SIGCONT)
        assert postmaster_pid(root) == pid
        assert answers(url)


def test_a_server_restarted_by_hand_on_another_port_is_found(root: Path) -> None:
    with EmbeddedPostgres(root).running() as url:
        (root / "postgres" / "port").write_text("1")
        with EmbeddedPostgres(root).running() as attached:
            assert attached == url


def test_ten_processes_at_once_make_one_server(empty_root: Path) -> None:
    barrier = CHILDREN.Barrier(10)
    children = [Child(_start_at_once, empty_root, barrier) for _ in range(10)]
    told = [child.hear() for child in children]
    assert len(set(told)) == 1
    assert EmbeddedPostgres(empty_root).status().users == 10
    for child in children:
        child.tell()
    for child in children:
        child.end()
    status = EmbeddedPostgres(empty_root).status()
    assert (status.running, status.users) == (False, 0)
    assert len(list((empty_root / "postgres").glob("18*"))) == 1


def _start_at_once(pipe: Connection, root: Path, barrier: threading.Barrier) -> None:
    barrier.wait(60)
    use_server(pipe, root)


def test_come_and_go_while_another_resets(root: Path) -> None:
    """Starters and a reset contend for folder and lock; nobody is left with half a server."""
    children = [Child(_come_and_go, root) for _ in range(3)]
    for _ in range(3):
        EmbeddedPostgres(root).reset(force=True)
    assert [child.hear() for child in children] == ["fine"] * 3
    for child in children:
        child.end()
    assert not EmbeddedPostgres(root).status().running


def _come_and_go(pipe: Connection, root: Path) -> None:
    for _ in range(2):
        with EmbeddedPostgres(root).running():
            pass
    pipe.send("fine")


def test_killed_in_the_middle_of_initdb_leaves_nothing_in_the_way(
    root: Path,
) -> None:
    folder = root / "postgres"
    half_made = folder / "18.new-deadbeef"
    (half_made / "base").mkdir(parents=True)
    (folder / "18.new-deadbeef.password").write_text("secret")
    (folder / "18.removed-deadbeef").mkdir()
    with EmbeddedPostgres(root).running() as url:
        assert answers(url)
    assert not list(folder.glob("18.*"))


def test_a_damaged_data_folder_is_an_error_with_the_reason(root: Path) -> None:
    (root / "postgres" / "18" / "global" / "pg_control").write_bytes(b"")
    with pytest.raises(ServerStartError, match=r"pg_control.*server\.log"):
        EmbeddedPostgres(root).start()


def test_interrupted_while_starting_it_leaves_no_server(root: Path) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        EmbeddedPostgres(root, patience=Patience(sleep=interrupt)).start()
    assert not EmbeddedPostgres(root).status().running
    assert not pid_files(root)


def pid_files(root: Path) -> list[Path]:
    return list((root / "postgres").glob("*/postmaster.pid"))


def test_a_lock_that_is_never_freed_ends_in_one_sentence(root: Path) -> None:
    child = Child(_hold_the_lock, root)
    child.hear()
    impatient = EmbeddedPostgres(root, patience=Patience(timeout_seconds=0.1))
    with pytest.raises(ServerStartError, match="Another process is starting or stopping"):
        impatient.start()
    child.kill()
    with EmbeddedPostgres(root).running() as url:
        assert answers(url)


def _hold_the_lock(pipe: Connection, root: Path) -> None:
    server = EmbeddedPostgres(root)
    with server._locked():
        pipe.send("held")
        pipe.recv()


def test_a_full_server_says_so(root: Path) -> None:
    with EmbeddedPostgres(root).running() as url:
        ask(url, "ALTER SYSTEM SET max_connections = 5")
    with EmbeddedPostgres(root).running() as url:
        held = [psycopg.connect(url) for _ in range(5)]
        impatient = EmbeddedPostgres(root, patience=Patience(timeout_seconds=0.1))
        with pytest.raises(ServerStartError, match="connections"):
            impatient.start()
        for connection in held:
            connection.close()


def test_a_new_major_version_does_not_hide_the_old_data_silently(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (root / "postgres" / "18").rename(root / "postgres" / "17")
    with EmbeddedPostgres(root).running():
        assert "holds data of Postgres 17" in caplog.text
    assert (root / "postgres" / "17" / "PG_VERSION").exists()


def test_secrets_stay_out_of_argv_environment_log_and_messages(
    empty_root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("META_ACCESS_TOKEN", "EAAB-very-secret")
    server = EmbeddedPostgres(empty_root)
    with _watched_command_lines() as seen, server.running() as url:
        password = url.split(":")[2].split("@")[0]
        with closing(psycopg.connect(url, autocommit=True)) as connection:
            connection.execute("CREATE TABLE t (v text CHECK (v = 'x'))")
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.execute("INSERT INTO t VALUES ('row-secret')")
            with pytest.raises(psycopg.errors.SyntaxError):
                connection.execute("SELECT 'statement-secret' FROM FROM")
        environment = Path(f"/proc/{postmaster_pid(empty_root)}/environ").read_bytes()
        log = (empty_root / "postgres" / "server.log").read_text()
        said = " ".join([repr(server), str(server.status()), caplog.text, log, *seen])
    assert any("initdb" in line for line in seen), "nothing was watched"
    assert "violates check constraint" in log
    for secret in (password, "EAAB-very-secret", "row-secret", "statement-secret"):
        assert secret not in said
        assert secret.encode() not in environment


@contextmanager
def _watched_command_lines() -> Iterator[set[str]]:
    """Every command line that appears on this machine meanwhile."""
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


_PARALLEL = """
import sys, psycopg
from contextlib import closing
from pathlib import Path
from meta_pipeline.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])).running() as url:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("CREATE TABLE big AS SELECT g AS id FROM generate_series(1, 300000) g")
        connection.execute(
            "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET enable_mergejoin = off;"
            "SET min_parallel_table_scan_size = 0; SET enable_nestloop = off"
        )
        query = "SELECT count(*) FROM big a JOIN big b USING (id)"
        plan = str(connection.execute("EXPLAIN " + query).fetchall())
        count = connection.execute(query).fetchone()[0]
        shared = connection.execute("SHOW dynamic_shared_memory_type").fetchone()[0]
        print("Parallel Hash" in plan, count, shared)
"""


@as_root
@pytest.mark.slow
def test_parallel_queries_work_with_next_to_no_shared_memory() -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/dev/shm"]
    unshare = ["unshare", "-m"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*unshare, *mount], check=False).returncode
    ):
        pytest.skip("this machine does not let us have mounts of our own")
    shell = ["sh", "-c", f'{" ".join(mount)} && exec "$@"', "sh"]
    with temporary_root(Path(tempfile.gettempdir())) as root:  # the new mount hides the usual one
        answer = subprocess.run(
            [*unshare, *shell, sys.executable, "-c", _PARALLEL, root],
            capture_output=True,
            text=True,
            check=False,
        )
    assert answer.stdout.split() == ["True", "300000", "mmap"], answer.stderr
