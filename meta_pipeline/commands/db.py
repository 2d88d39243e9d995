"""`meta-pipeline db`: the Postgres that is used, and the embedded server's life."""

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Annotated

import typer

from . import profile
from .terminal.console import errors, fail, say, write, write_json
from .terminal.options import AsJson
from .terminal.questions import insist

if TYPE_CHECKING:
    from meta_pipeline.embedded import EmbeddedPostgres
    from meta_pipeline.settings import Settings

app = typer.Typer(
    add_completion=False,
    name="db",
    no_args_is_help=True,
    help="The database: its URL, a psql on it, and the embedded server's life. "
    "With DATABASE_URL set, that Postgres is used and the embedded one is never touched.",
)

Force = Annotated[
    bool, typer.Option("--force", help="Even while other processes use it: they lose it.")
]


@app.command()
def url(
    show_password: Annotated[
        bool, typer.Option("--show-password", help="Show the password of DATABASE_URL too.")
    ] = False,
    as_variables: Annotated[
        bool,
        typer.Option("--as-variables", help="Print it as PGHOST, PGPORT and so on, for eval."),
    ] = False,
) -> None:
    """Print the URL of the database, for use in scripts.

    The embedded server's is printed with its password, so that psql and others can use it:
    it opens nothing but this machine's own server. That of DATABASE_URL is printed with the
    password hidden, unless asked for. For psql, dbt and others that read PGHOST and its like:
    eval "$(meta-pipeline db url --as-variables --show-password)"
    """
    own = database_url_from_settings()
    if own is not None:
        from meta_pipeline.warehouse import redacted

        # Options too: sslpassword and the like are secrets of a URL as well.
        shown = own if show_password else redacted(own, with_options=True)
        write(_exports(shown) if as_variables else f"{shown}\n")
        return
    with _embedded() as server:
        write(_exports(server.url) if as_variables else f"{server.url}\n")
        if not server.status().running:
            say("It is not running: meta-pipeline db start starts it.", to=errors)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context) -> None:
    """Open psql on the database; further arguments go to psql.

    The embedded server is started if need be and stopped afterwards unless it is in use.
    For example: meta-pipeline db psql -c 'select count(*) from meta_ads.meta_campaigns'
    """
    own = database_url_from_settings()
    if own is not None:
        code = _run_psql(_psql_on_machine(), own, context.args, dict(os.environ))
    else:
        from meta_pipeline.embedded import told_to_nobody

        with _embedded() as server, server.running() as its_url:
            # PG* variables would lead psql away from the embedded server.
            misleading = set(_libpq_variables().values())
            code = _run_psql(
                server.psql_path,
                told_to_nobody(its_url),
                context.args,
                {name: value for name, value in os.environ.items() if name not in misleading},
            )
    raise typer.Exit(code)


@app.command()
def start() -> None:
    """Start the embedded server and keep it running until `db stop`."""
    _refuse_with_database_url("start")
    with _embedded() as server:
        server.start(keep=True)
        now = server.status()
    say(f"Postgres {now.version} runs at {now.url}")
    say("The URL with its password: meta-pipeline db url")


@app.command()
def stop(force: Force = False) -> None:
    """Stop the embedded server; its data stays. Refused while other processes use it."""
    _refuse_with_database_url("stop")
    with _embedded() as server:
        server.stop(force=force)
    say("The embedded Postgres is stopped.")


@app.command()
def reset(
    force: Force = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Stop the embedded server and remove all its data for good."""
    _refuse_with_database_url("reset")
    with _embedded() as server:
        # Asked before the question, which has to say what is going to be lost.
        folder = server.status().data_folder
        if not folder.exists():
            say("There is no embedded Postgres: nothing to remove.")
            return
        if not yes:
            insist(f"Remove everything in {folder}?")
        server.reset(force=force)
    say("The embedded Postgres and its data are removed.")


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show which database is used, whether it runs, and who uses the embedded server."""
    own = database_url_from_settings()
    if own is not None:
        from meta_pipeline.warehouse import redacted

        shown = redacted(own, with_options=True)
        if as_json:
            write_json({"is_embedded": False, "url": shown})
        else:
            say(f"database      DATABASE_URL: {shown}")
        return
    with _embedded() as server:
        now = server.status()
    if as_json:
        write_json({"is_embedded": True, **asdict(now)})
        return
    stays = "until meta-pipeline db stop" if now.kept else "until its last user leaves"
    whose = "the demo's" if profile.is_demo() else "DATABASE_URL is not set"
    say(f"database      embedded Postgres ({whose})")
    say(f"running       {f'yes, {stays}' if now.running else 'no'}")
    say(f"url           {now.url or 'none yet: meta-pipeline db start makes one'}")
    say(f"version       {now.version}")
    say(f"data folder   {now.data_folder}")
    say(f"users         {now.users}")


@app.command()
def maintain() -> None:
    """Remove records older than the settings keep: API calls, their totals, syncs, movements.

    Goes in slices that lock nobody out; safe at any time, from cron or a Dagster job.
    """
    from meta_pipeline import warehouse

    from .database import opened_warehouse

    with opened_warehouse(writes=True) as (settings, opened):
        kept = warehouse.Retention(
            log_days=settings.log_retention_days,
            total_days=settings.totals_retention_days,
            run_days=settings.run_retention_days,
            change_days=settings.change_retention_days,
        )
        removed = warehouse.maintain(opened, kept)
    for table, rows in removed.items():
        say(f"{table:<24}{rows:>10,} rows removed")
    if not removed:
        say("Every setting says to keep records for ever: nothing to remove.")


@app.command("grant-reader")
def grant_reader(
    role: Annotated[str, typer.Argument(help="An existing role of Postgres.")],
    revoke: Annotated[bool, typer.Option("--revoke", help="Take the rights back.")] = False,
) -> None:
    r"""Let a role read all tables and views of meta_ads, later ones included, and change nothing.

    For dashboards, notebooks and analysts. An administrator makes the role first, in psql:
    CREATE ROLE analyst LOGIN; \password analyst
    """
    from meta_pipeline.warehouse import Warehouse, readers

    from .database import opened

    with (
        opened() as (_, its_url),
        Warehouse(its_url) as warehouse,
        warehouse.connection() as connection,
    ):
        change = readers.revoke_reader if revoke else readers.grant_reader
        change(connection, role)
    say(
        f"{role} may no longer read meta_ads."
        if revoke
        else f"{role} may read all of meta_ads, and nothing else of it."
    )


def _settings() -> "Settings":
    from meta_pipeline.settings import current

    return current()


def database_url_from_settings() -> str | None:
    """DATABASE_URL as libpq and psql read it; WarehouseError for one that cannot be read.

    None where the embedded server is used: without DATABASE_URL, and for the demo.
    """
    secret = _settings().database_url
    if secret is None or profile.is_demo():
        return None
    from meta_pipeline.warehouse.urls import normalized

    return normalized(secret.get_secret_value())


@contextmanager
def _embedded() -> Iterator["EmbeddedPostgres"]:
    """The embedded server in the folder that the settings name, with the database to use."""
    try:
        # Not at the top: the server does not exist for Windows, where DATABASE_URL still works.
        from meta_pipeline.embedded import EmbeddedPostgres
    except ImportError as error:
        fail(str(error))
    from meta_pipeline.local.database import DEMO_DATABASE

    if profile.is_demo():
        yield EmbeddedPostgres(_settings().data_dir, database=DEMO_DATABASE)
    else:
        yield EmbeddedPostgres(_settings().data_dir)


def _refuse_with_database_url(action: str) -> None:
    if database_url_from_settings() is not None:
        fail(
            f"DATABASE_URL is set, so there is no embedded Postgres to {action}: "
            "unset DATABASE_URL to use the embedded one."
        )


def _psql_on_machine() -> Path:
    # The machine's own, as it has its owner's settings and history; else the one in the package.
    on_path = which("psql")
    if on_path is not None:
        return Path(on_path)
    with _embedded() as server:
        return server.psql_path


def _run_psql(
    program: Path, database_url: str, arguments: list[str], environment: dict[str, str]
) -> int:
    """Run psql to its end. The URL travels in its environment, because argv is for all to see.

    The few options without a variable (keepalives and the like) matter little to a person's psql.
    """
    from psycopg.conninfo import conninfo_to_dict

    given = conninfo_to_dict(database_url)
    variables = _libpq_variables()
    environment |= {variables[key]: str(value) for key, value in given.items() if key in variables}
    environment |= {"PGCLIENTENCODING": "UTF8", "PGTZ": "UTC", "PGDATESTYLE": "ISO"}
    if _is_direct(database_url):  # a pooler refuses options
        options = environment.get("PGOPTIONS", "")
        environment["PGOPTIONS"] = f"{options} -cintervalstyle=postgres".strip()
    before = signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is psql's
    try:
        return subprocess.run([program, *arguments], env=environment, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)


def _is_direct(database_url: str) -> bool:
    """Whether Postgres itself answers there; if nobody does, psql will say why."""
    from meta_pipeline.warehouse import WarehouseError, connect
    from meta_pipeline.warehouse.locks import is_pooled

    with suppress(WarehouseError), connect(database_url, application_name="psql") as connection:
        return not is_pooled(connection)
    return False


def _exports(database_url: str) -> str:
    """Lines for a shell; a hidden password is left out, so that no login is tried with stars."""
    from psycopg.conninfo import conninfo_to_dict

    variables = _libpq_variables()
    return "".join(
        f"export {variables[key]}={shlex.quote(str(value))}\n"
        for key, value in conninfo_to_dict(database_url).items()
        if key in variables and value != "***"
    )


def _libpq_variables() -> dict[str, str]:
    """The environment variable of each connection option that has one."""
    from psycopg import pq

    options = pq.Conninfo.get_defaults()
    return {option.keyword.decode(): option.envvar.decode() for option in options if option.envvar}
