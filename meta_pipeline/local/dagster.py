"""Dagster on this machine: one code server, a webserver and a daemon on one Postgres.

The webserver and the daemon would each start a code server of their own (143 MB and two seconds of
a core each); sharing one is also what production does. It asks nobody who they are, so it listens
on a socket in a folder of this user's alone; and a doorkeeper stands before the webserver.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import LiteralString

import requests

from meta_pipeline.commands.processes.execute import AS_WE_READ, CODE_SERVER_MAY_TAKE, WEBSERVER
from meta_pipeline.local.children import Child, Children
from meta_pipeline.local.graphql import DagsterApi, DagsterApiError
from meta_pipeline.local.ports import HOST, answers_at, socket_in
from meta_pipeline.settings.secret_files import concealed, private_folder
from meta_pipeline.warehouse import connect, create_dagster_schema, dagster_url

LOCATION = "meta_pipeline"
SENSOR = "next_stale_account"
FIRST_LOOK = "overview"
# A page that fills later is no fault: beyond this nobody is kept waiting for it.
FIRST_LOOK_SECONDS = 30.0
# Many times what three Python processes take to import Dagster on two cores.
START_TIMEOUT_SECONDS = 120.0
_TELL_EVERY_SECONDS = 10.0
_WORKSPACE = """\
load_from:
  - grpc_server:
      socket: {socket}
      location_name: {location}
"""


_IN_PROGRESS = """
    SELECT count(*) FROM dagster.runs WHERE status IN ('STARTING', 'STARTED', 'CANCELING')
"""


class DagsterNotReady(Exception):
    """Dagster did not come up; the message names the log to read."""


@dataclass
class LocalDagster:
    """The three processes of a Dagster, and how to reach it."""

    children: Children
    home: Path
    """Becomes DAGSTER_HOME."""
    database_url: str
    port: int
    env: Mapping[str, str]
    """What the syncs see."""
    cwd: Path
    is_alone: bool
    """Whether no other Dagster uses the database, as is certain of an embedded one."""
    host: str = HOST
    tell: Callable[[str], None] = lambda _: None
    """Told each step."""
    timeout_seconds: float = START_TIMEOUT_SECONDS
    sensor_rests: bool = False
    """Whether nothing is synced by itself until somebody starts the sensor."""
    storage_url: str | None = None
    """Where Dagster keeps its own tables; None: in `database_url` too."""
    adapt: Callable[[str], str] = lambda text: text
    """Turns the packaged dagster.yaml into the one to use."""
    processes: dict[str, Child] = field(default_factory=dict, init=False)
    _commands: dict[str, list[str]] = field(default_factory=dict, init=False)
    _environment: dict[str, str] = field(default_factory=dict, init=False)
    _socket: Path = field(default=Path(), init=False)
    _ready_at: float = field(default=0.0, init=False)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def first_page(self) -> str:
        """Where the state of every account is."""
        return f"{self.url}/assets/meta/overview"

    @property
    def _storage_url(self) -> str:
        return self.storage_url or self.database_url

    @property
    def api(self) -> DagsterApi:
        return DagsterApi(f"http://{HOST}:{self.port}", LOCATION)

    def start(self) -> None:
        """Start all three and wait until the webserver shows the code location."""
        self._prepare()
        has_tables = bool(self._ask("SELECT to_regclass('dagster.instigators')"))
        cleaning = self._close_abandoned_runs() if has_tables else None
        code = self._start("code-server", self._code_server())
        web = self._start("dagster-webserver", self._webserver())
        self.tell("Dagster is starting: code location, webserver, daemon")
        self._wait(lambda: answers_at(self._socket), code, "the code location")
        if not has_tables or self.sensor_rests:
            # The webserver makes them; two processes that both try would trip over each other.
            self._wait(self.api.is_ready, web, "the webserver")
        if self.sensor_rests:
            self.api.stop_sensor(SENSOR)
        if cleaning is not None:
            self._wait(lambda: cleaning.process.poll() == 0, cleaning, "cleaning up")
            self.children.forget(cleaning)
        # A daemon that finds no code location looks again only after a minute.
        self._ready_at = time.time()
        self._start(
            "dagster-daemon",
            [*_dagster("dagster-daemon"), "run", "-w", str(self.home / "workspace.yaml")],
        )
        self._wait(self.api.is_ready, web, "the webserver")

    def wait_for_first_look(self) -> None:
        """Until the UI shows the accounts that are known; a slow machine is not waited for long."""
        started = time.time()
        while time.time() - started < FIRST_LOOK_SECONDS:
            self.children.require_alive()
            with suppress(requests.RequestException, DagsterApiError):
                if self.api.has_ticked(FIRST_LOOK, self._ready_at):
                    return
            time.sleep(0.5)

    def _prepare(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o700)
        self._socket = socket_in(self.home)
        source = resources.files("meta_pipeline.orchestration") / "dagster.yaml"
        text = self.adapt(source.read_text(encoding="utf-8"))
        (self.home / "dagster.yaml").write_text(text, encoding="utf-8")
        workspace = _WORKSPACE.format(socket=json.dumps(str(self._socket)), location=LOCATION)
        (self.home / "workspace.yaml").write_text(workspace, encoding="utf-8")
        create_dagster_schema(self._storage_url)
        environment = {
            **self.env,
            "DAGSTER_HOME": str(self.home),
            "DAGSTER_PG_URL": dagster_url(self._storage_url),
            "DAGSTER_DISABLE_TELEMETRY": "1",
            **CODE_SERVER_MAY_TAKE,
            "PYTHONUNBUFFERED": "1",
            **AS_WE_READ,
        }
        self._environment = concealed(environment, private_folder(self.home), is_ours=True)

    def _close_abandoned_runs(self) -> Child | None:
        """Runs of a Dagster that was killed would keep their slots for two hours."""
        if not self.is_alone or not self._ask(_IN_PROGRESS):
            return None
        self.tell("Closing runs that an earlier, killed Dagster left behind")
        module = "meta_pipeline.orchestration.abandoned_runs"
        return self._start("abandoned-runs", [sys.executable, "-m", module])

    def _ask(self, query: LiteralString) -> object:
        with connect(self._storage_url, application_name="meta_pipeline dagster") as connection:
            row = connection.execute(query).fetchone()
        return row and row[0]

    def restart(self, name: str) -> Child:
        """Start one of `processes` again that has ended."""
        self.children.forget(self.processes[name])
        return self._start(name, self._commands[name])

    def _start(self, name: str, arguments: list[str]) -> Child:
        child = self.children.start(name, arguments, env=self._environment, cwd=self.cwd)
        self.processes[name], self._commands[name] = child, arguments
        return child

    def _code_server(self) -> list[str]:
        return [
            *_dagster("dagster"),
            *("api", "grpc", "--module-name", "meta_pipeline.definitions"),
            *("--socket", str(self._socket), "--location-name", LOCATION),
        ]

    def _webserver(self) -> list[str]:
        return [
            *(sys.executable, "-m", WEBSERVER),
            *("-w", str(self.home / "workspace.yaml")),
            *("-h", self.host, "-p", str(self.port)),
        ]

    def _wait(self, is_ready: Callable[[], bool], child: Child, what: str) -> None:
        began = told = time.monotonic()
        deadline = began + self.timeout_seconds
        while not is_ready():
            child.require_alive()
            if time.monotonic() - told >= _TELL_EVERY_SECONDS:
                told = time.monotonic()
                self.tell(f"Still waiting for {what} ({told - began:.0f} s)")
            if time.monotonic() > deadline:
                raise DagsterNotReady(
                    f"{what} did not come up within {self.timeout_seconds:.0f} s; "
                    f"the logs are in {self.home / 'logs'}."
                )
            time.sleep(0.1)


def _dagster(command: str) -> list[str]:
    """A command of Dagster's from this very environment, whatever PATH says."""
    beside = Path(sys.executable).with_name(command)
    return [str(beside)] if os.access(beside, os.X_OK) else [command]
