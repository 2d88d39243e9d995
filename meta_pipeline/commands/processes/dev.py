"""`meta-pipeline dev`: the web application and Dagster on this machine, from the settings."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from meta_pipeline.commands.database import database
from meta_pipeline.commands.terminal.console import fail, say, styled
from meta_pipeline.local.children import ChildDied, Children
from meta_pipeline.local.dagster import DagsterNotReady, LocalDagster
from meta_pipeline.local.database import data_root
from meta_pipeline.local.environment import of_settings
from meta_pipeline.local.home import AlreadyRunning, Home
from meta_pipeline.local.ports import HOST, PortsTaken, free_port_from
from meta_pipeline.local.signals import ToldToEnd, termination_as_interrupt
from meta_pipeline.local.web import WebNotReady, start_web
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse

Port = Annotated[int, typer.Option(min=1, max=65535, help="Port of the UI; if taken, the next.")]
Host = Annotated[
    str, typer.Option(help="Address the UI listens on. Dagster has no login: keep it local.")
]


def dev(port: Port = 3000, host: Host = HOST) -> None:
    """Run the web application and Dagster (UI, daemon, code location) until Ctrl-C.

    Uses the Postgres of DATABASE_URL, or the embedded one, and the token of META_ACCESS_TOKEN.
    """
    try:
        with termination_as_interrupt(), ExitStack() as stack:
            _run(Settings.load(), stack, port, host)
    except ToldToEnd:
        raise typer.Exit(143) from None
    except KeyboardInterrupt:
        say("\nStopped.")
    except (AlreadyRunning, ChildDied, DagsterNotReady, PortsTaken, WebNotReady) as error:
        fail(str(error))


def _run(settings: Settings, stack: ExitStack, port: int, host: str) -> None:
    if settings.token_keys is None:  # else stored connections may be all it takes
        settings.require_token()
    # Not the demo's: both may run side by side.
    home = Home(data_root(settings) / "dev")
    lock = stack.enter_context(home.taken())
    home.note()
    url = stack.enter_context(database(settings))
    with Warehouse(url, application_name="meta_pipeline dev") as warehouse:
        # Before Dagster starts: its code location looks at the tables when it is loaded.
        warehouse.migrate()
    children = stack.enter_context(Children(home.logs, keep_open=[lock]))
    environment = of_settings(settings, url)
    environment["META_PIPELINE_DATA"] = str(data_root(settings))
    address = start_web(children, environment, folder=home.path, tell=say)
    if address:
        say("Open: ", styled(address, "bold"), "  (lets one browser in, once)")
    dagster = LocalDagster(
        children=children,
        home=home.dagster,
        database_url=url,
        port=free_port_from(port),
        env=environment,
        cwd=Path.cwd(),
        is_alone=settings.database_url is None,
        storage_url=settings.require_dagster_database_url() if settings.database_url else None,
        host=host,
        tell=say,
    )
    dagster.start()
    dagster.wait_for_first_look()
    home.note(url=dagster.url)
    if settings.is_simulated:
        say(f"Simulated data: the Graph API is {settings.graph_url}, not Meta's.")
    say(
        "Dagster's UI: ",
        styled(dagster.first_page, "bold"),
        f"  (logs in {home.logs}, Ctrl-C ends)",
    )
    while True:
        children.require_alive()
        time.sleep(1)
