"""Fixtures of every room: a migrated database of each test's own."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Generator, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Rich asks for the width when a console is made: wide, wherever the tests run.
os.environ["COLUMNS"] = "200"

from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests import recorded
from meta_pipeline_tests.postgres import TestPostgres, database_url, postgres, postgres_server

QUICK = "not slow"
"""What `make test` gives pytest as `-m`."""

# What an example costs says how busy the machine is, nothing about the code: no test of ours fails
# for the time it took. A test that never ends is pytest-timeout's. Many examples share a database.
settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    print_blob=True,
)
settings.register_profile("quick", parent=settings.get_profile("any machine"), max_examples=30)
settings.load_profile("any machine")

# A shell starts what it puts in the background with SIGINT ignored. Dagster makes SIGTERM the same,
# every child inherits it, and can then only be killed: a pool of them would be waited for for ever.
for _number, _usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGTERM, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

__all__ = ["build_template", "database_url", "postgres", "postgres_server"]


def pytest_configure(config: pytest.Config) -> None:
    """The quick suite tries a property that says nothing of it with fewer examples."""
    if config.option.markexpr == QUICK:
        settings.load_profile("quick")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say that recordings were not compared: a skip among a thousand dots is easily missed."""
    if any(recorded.ABSENT in str(one.longrepr) for one in terminalreporter.getreports("skipped")):
        terminalreporter.write_sep("!", f"NOT COMPARED: {recorded.ABSENT}", yellow=True)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """What is imported and collected lasts: to look for garbage there was a fourth of the time."""
    gc.disable()
    _import_a_share(session)
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _import_a_share(session: pytest.Session) -> None:
    """Workers of a whole run first import a share of the modules each.

    All of them import all modules in the end; what one has compiled the others only read.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers == 1 or session.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    mine = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    for path in sorted(Path(__file__).parent.rglob("test_*.py"))[mine::workers]:
        import_module(".".join(path.relative_to(session.config.rootpath).with_suffix("").parts))


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> list[pytest.Item] | None:
    """Of a quick run's slow proofs no case is made: they were half of all, in every worker."""
    if collector.config.option.markexpr != QUICK or not name.startswith("test"):
        return None
    marks = [*collector.iter_markers("slow"), *getattr(obj, "pytestmark", ())]
    return [] if any(mark.name == "slow" for mark in marks) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a product marked `each_value` the quick suite meets every value once; `slow` is all."""
    products: dict[str, list[pytest.Function]] = {}
    for item in items:
        if (
            isinstance(item, pytest.Function)
            and item.get_closest_marker("each_value")
            and not item.get_closest_marker("slow")
        ):
            products.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for product in products.values():
        met: set[tuple[str, str]] = set()
        left = {item: set(map(_named, item.callspec.params.items())) for item in product}
        while left:
            most = max(left, key=lambda item: len(left[item] - met))
            if left[most] <= met:
                break
            met |= left.pop(most)
        for item in left:
            item.add_marker(pytest.mark.slow)


def _named(parameter: tuple[str, object]) -> tuple[str, str]:
    return parameter[0], repr(parameter[1])


def _migrate(url: str) -> None:
    with Warehouse(url) as warehouse:
        warehouse.migrate()


@pytest.fixture(scope="session")
def build_template() -> Callable[[str], None]:
    """Every test's database starts with the tables of `meta_ads`."""
    return _migrate


@pytest.fixture(autouse=True)
def unchanged_process() -> Iterator[None]:
    """Tests share their process: one that leaves another umask or SIGINT is named."""
    before = _process()
    yield
    assert _process() == before, "the test left its process changed"


def _process() -> tuple[object, ...]:
    umask = os.umask(0o022)
    os.umask(umask)
    return umask, signal.getsignal(signal.SIGINT), Path.cwd()


@pytest.fixture
def postgres_url(database_url: str) -> str:
    """The URL of this test's own migrated database."""
    return database_url


@pytest.fixture
def warehouse(database_url: str) -> Iterator[Warehouse]:
    """The warehouse of this test's own migrated database."""
    with Warehouse(database_url) as opened:
        yield opened


@pytest.fixture
def empty_url(postgres: TestPostgres) -> Iterator[str]:
    """The URL of a database of this test's own with nothing in it."""
    with postgres.fresh_database(template="template0") as url:
        yield url
