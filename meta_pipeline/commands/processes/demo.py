"""`meta-pipeline demo`: everything, on this machine, without Meta."""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from shutil import which
from typing import Annotated

import typer
from rich.live import Live
from rich.text import Text

from meta_pipeline.commands.terminal.console import console, fail, line, say, styled
from meta_pipeline.local.children import ChildDied, Children
from meta_pipeline.local.dagster import SENSOR, DagsterNotReady, LocalDagster
from meta_pipeline.local.database import (
    DEMO_DATABASE,
    RealData,
    data_root,
    demo_database,
    named_database,
)
from meta_pipeline.local.environment import without_ours
from meta_pipeline.local.graphql import FINISHED, DagsterApiError
from meta_pipeline.local.home import AlreadyRunning, Home
from meta_pipeline.local.ports import PortsTaken, free_port_from
from meta_pipeline.local.progress import StepProgress, progress_table, read_progress
from meta_pipeline.local.signals import ToldToEnd, termination_as_interrupt
from meta_pipeline.local.simulated import SimulatorNotReady, require_simulator, start_simulator
from meta_pipeline.local.summary import is_fresh, read_efforts, summary_table
from meta_pipeline.local.web import WebNotReady, start_web
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse, redacted

RUNS = 2
"""Dagster runs the accounts are shared between: a run costs 6-7 CPU-seconds whatever it does."""

# Many times what it takes on two cores: a slow machine still gets there, a stuck one is told of.
TIMEOUT_SECONDS = 300.0
# While Dagster starts its processes nothing moves, and one would press Ctrl-C.
TELL_EVERY_SECONDS = 10.0
_POLL_SECONDS = 0.3
_EXPECTED = (
    AlreadyRunning,
    ChildDied,
    DagsterApiError,
    DagsterNotReady,
    PortsTaken,
    RealData,
    SimulatorNotReady,
    WebNotReady,
)

Ui = Annotated[
    bool, typer.Option("--ui/--no-ui", help="Stay up with Dagster's UI, or end when data is in.")
]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port of the UI; if taken, the next.")]
UseDatabaseUrl = Annotated[
    bool,
    typer.Option(
        "--use-database-url",
        help="Fill the database of DATABASE_URL, instead of one of the demo's own.",
    ),
]
LatencyMs = Annotated[
    float, typer.Option("--latency-ms", min=0, help="Median time a simulated answer takes.")
]


_OF_CONNECTIONS = (
    "META_ACCESS_TOKEN",
    "META_GRAPH_URL",
    "META_APP_ID",
    "META_APP_SECRET",
    "META_TOKEN_KEYS",
)
_QUERY = (
    "SELECT account_name, date_start, spend, currency FROM meta_ads.account_insights "
    "ORDER BY date_start DESC, account_name LIMIT 12"
)


class DemoIncomplete(Exception):
    """Not all of the data is in; the message says which account and why."""


def demo(
    ui: Ui = True,
    port: Port = 3000,
    latency_ms: LatencyMs = 100.0,
    use_database_url: UseDatabaseUrl = False,
) -> None:
    """Sync twelve simulated ad accounts into Postgres through Dagster, and show them.

    Needs no account at Meta, no keys, no Postgres: it has a database of its own, whatever
    DATABASE_URL says, and other commands reach it with --demo. The data stays for the next demo.
    """
    try:
        with termination_as_interrupt(), ExitStack() as stack:
            shown = Demo(Settings.load(), stack, port, latency_ms, is_own=not use_database_url)
            shown.run(ui=ui)
    except ToldToEnd:
        raise typer.Exit(143) from None
    except KeyboardInterrupt:
        say("\nStopped. The data stays; meta-pipeline demo goes on from here.")
    except (*_EXPECTED, DemoIncomplete) as error:
        fail(str(error))


class Demo:
    """One demo: what it started is ended with `stack`."""

    def __init__(
        self,
        settings: Settings,
        stack: ExitStack,
        port: int,
        latency_ms: float,
        *,
        is_own: bool,
    ) -> None:
        self._is_own = is_own
        self._settings = settings
        self._stack = stack
        self._port = port
        self._latency_ms = latency_ms
        self._started = time.monotonic()
        self._home = Home(data_root(settings) / "demo")
        self._address: str | None = None

    def run(self, *, ui: bool) -> None:
        """Bring the data in, show it, and stay up if there is to be a UI."""
        require_simulator()
        # Before anything starts: two demos would replace each other's connections.
        lock = self._stack.enter_context(self._home.taken())
        self._home.note()
        self._say("Simulated data: twelve made-up ad accounts, nothing of Meta's.")
        chosen = demo_database if self._is_own else named_database
        url = self._stack.enter_context(chosen(self._settings))
        own = f"database {DEMO_DATABASE}, the demo's own, in the embedded server"
        self._say(f"Postgres is up: {own if self._is_own else f'DATABASE_URL, {redacted(url)}'}")
        with Warehouse(url, application_name="meta_pipeline demo") as warehouse:
            warehouse.migrate()
            fresh = bool(warehouse.accounts.health()) and not self._due(warehouse)
            if fresh:
                minutes = self._fresh.total_seconds() / 60
                self._say(f"Everything was synced within {minutes:.0f} minutes: nothing to do")
                self._show(warehouse)
            if ui or not fresh:
                dagster = self._start(url, warehouse, lock, ui=ui)
            if not fresh:
                self._bring_in(dagster, warehouse)
                self._show(warehouse)
            if ui:
                self._stay(dagster)

    def _start(self, url: str, warehouse: Warehouse, lock: int, *, ui: bool) -> LocalDagster:
        children = self._stack.enter_context(Children(self._home.logs, keep_open=[lock]))
        folder = self._home.path
        environment = without_ours()
        graph = start_simulator(children, environment, folder=folder, latency_ms=self._latency_ms)
        # Not at the top: who asks for --help need not wait for ciphers.
        from meta_pipeline.connections import generate_key
        from meta_pipeline.local.connections import connect

        # New each time: what an earlier demo sealed belongs to tokens of a simulator that is gone.
        keys = generate_key("demo")
        environment |= {
            "META_ACCESS_TOKEN": graph.token,
            "META_GRAPH_URL": graph.url,
            "META_APP_ID": graph.app_id,
            "META_APP_SECRET": graph.app_secret,
            "META_TOKEN_KEYS": keys,
            "META_PIPELINE_DATA": str(folder),
            "META_FRESH_SECONDS": str(self._settings.fresh_seconds),
            "DATABASE_URL": url,
        }
        dagster = LocalDagster(
            children=children,
            home=self._home.dagster,
            database_url=url,
            port=free_port_from(self._port),
            env=environment,
            cwd=folder,
            is_alone=self._is_own,
            tell=self._say,
            sensor_rests=True,
        )
        if ui:
            self._address = start_web(children, environment, folder=folder, tell=self._say)
        # The simulator starts meanwhile: both take seconds, and only what comes next needs it.
        dagster.start()
        graph.wait()
        self._say(f"The simulated Graph API answers at {graph.url}")
        self._home.note(
            url=dagster.url,
            graph_url=graph.url,
            graph_token=graph.token,
            token_keys=keys,
            app_secret=graph.app_secret,
        )
        given = {name.lower().removeprefix("meta_"): environment[name] for name in _OF_CONNECTIONS}
        for told in connect(warehouse, Settings.load(env_file=None, **given), graph):
            self._say(told)
        self._say(f"Dagster is up at {dagster.url}")
        return dagster

    def _bring_in(self, dagster: LocalDagster, warehouse: Warehouse) -> None:
        discovery = dagster.api.launch("discover_accounts", {"reason": "demo"})
        self._follow(dagster, warehouse, [discovery], "discovering the ad accounts")
        keys = dagster.api.partition_keys()
        self._say(f"{len(keys)} ad accounts found")
        due = self._due(warehouse)
        runs = [
            dagster.api.launch_partitions("sync_account", batch[0], batch[-1], {"reason": "demo"})
            for batch in batches(keys, RUNS)
            # A run costs seconds, also one that finds nothing to do.
            if due & set(batch)
        ]
        self._follow(dagster, warehouse, runs, "syncing")

    def _follow(
        self, dagster: LocalDagster, warehouse: Warehouse, runs: list[str], what: str
    ) -> None:
        """Wait for the runs and print each step as it ends; DemoIncomplete when one failed."""
        printed: set[str] = set()
        began = told = time.monotonic()
        deadline = time.monotonic() + TIMEOUT_SECONDS
        with Live(console=console, transient=True, refresh_per_second=4) as live:
            while runs:
                statuses = dagster.api.statuses(runs)
                steps = read_progress(warehouse, runs)
                for step in steps:
                    if step.is_over and step.sync_run_id not in printed:
                        printed.add(step.sync_run_id)
                        told = time.monotonic()
                        live.console.print(line(self._clock(), " ", step.line))
                live.update(progress_table([step for step in steps if not step.is_over]))
                if all(status in FINISHED for status in statuses.values()):
                    break
                dagster.children.require_alive()
                if time.monotonic() - told >= TELL_EVERY_SECONDS:
                    told = time.monotonic()
                    words = waiting_words(what, statuses.values(), steps, told - began)
                    live.console.print(line(self._clock(), " ", words))
                if time.monotonic() > deadline:
                    raise DemoIncomplete(f"{what} took over {TIMEOUT_SECONDS:.0f} s; see the UI.")
                time.sleep(_POLL_SECONDS)
        self._require_success(dagster, warehouse, statuses if runs else {}, what)

    def _require_success(
        self, dagster: LocalDagster, warehouse: Warehouse, statuses: dict[str, str], what: str
    ) -> None:
        failed = [run_id for run_id, status in statuses.items() if status != "SUCCESS"]
        if not failed:
            return
        reasons = [
            f"{step.name}, {step.step}: {step.error_summary or step.status}"
            for step in read_progress(warehouse, failed)
            if step.status != "success"
        ]
        why = "; ".join(reasons) or f"see {dagster.api.run_url(failed[0])} and {self._home.logs}"
        raise DemoIncomplete(f"{what} did not work: {why}")

    def _show(self, warehouse: Warehouse) -> None:
        say()
        console.print(summary_table(warehouse.accounts.health(), read_efforts(warehouse)))

        say()
        option = " --demo" if self._is_own else ""
        say("See a table: ", styled(f'{called()} db psql{option} -c "{_QUERY}"', "bold"))
        say("The same way: ", styled(f"{called()} status{option}", "bold"), ", metrics, report")

    def _stay(self, dagster: LocalDagster) -> None:
        # Only now: it would have started runs of its own beside those above.
        dagster.api.start_sensor(SENSOR)
        self._say("From now on the sensor next_stale_account keeps every account fresh")
        say()
        if self._address:
            say("Open: ", styled(self._address, "bold"), "  (lets one browser in, once)")
        say("Dagster's UI: ", styled(dagster.first_page, "bold"), "  (Ctrl-C ends all)")
        while True:
            dagster.children.require_alive()
            time.sleep(1)

    def _due(self, warehouse: Warehouse) -> set[str]:
        return {
            one.account_id for one in warehouse.accounts.health() if not is_fresh(one, self._fresh)
        }

    @property
    def _fresh(self) -> timedelta:
        return timedelta(seconds=self._settings.fresh_seconds)

    def _say(self, what: str) -> None:
        say(self._clock(), f" {what}")

    def _clock(self) -> Text:
        return styled(f"{time.monotonic() - self._started:5.1f} s", "dim")


def waiting_words(
    what: str, statuses: Iterable[str], steps: Sequence[StepProgress], seconds: float
) -> str:
    """What is waited for while nothing ends: Dagster starting its runs, or the syncs themselves."""
    open_runs = Counter(status.lower() for status in statuses if status not in FINISHED)
    runs = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in open_runs.items())
    under_way = [step for step in steps if not step.is_over]
    rows, calls = sum(one.rows for one in under_way), sum(one.calls for one in under_way)
    if under_way:
        doing = f"{len(under_way)} under way with {rows:,} rows and {calls:,} calls so far"
    elif steps and open_runs.keys() <= {"started"}:
        doing = "the accounts are in; daily metrics are made and checked before a run ends"
    else:
        doing = "Dagster starts a process for each run, which takes seconds of a processor"
    return f"Still {what} ({seconds:.0f} s; runs: {runs or 'ending'}): {doing}"


def called() -> str:
    """What to type for `meta-pipeline` here: its name where a shell finds it, else its path."""
    name = "meta-pipeline"
    beside = Path(sys.executable).with_name(name)
    path = which(name)
    # Another installation may come first on PATH: what is printed has to be the one that ran.
    is_found = path is not None and beside.exists() and beside.samefile(path)
    return name if is_found or not beside.exists() else os.path.relpath(beside)


def batches(keys: list[str], count: int) -> list[list[str]]:
    """The keys in at most `count` runs of neighbours, as equal as can be."""
    size = max(1, -(-len(keys) // count))
    return [keys[start : start + size] for start in range(0, len(keys), size)]
