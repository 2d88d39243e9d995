"""`meta-pipeline exec`: a process of Dagster's, handed what it needs from the settings."""

import os
import shutil
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from meta_pipeline.credentials import is_loopback
from meta_pipeline.settings import Settings, SettingsError, content_of
from meta_pipeline.settings.secret_files import concealed, private_folder
from meta_pipeline.warehouse import dagster_url

FROM_FILES = ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND")
"""Variables of Celery that may be given as <NAME>_FILE, as our own secrets may."""

AS_WE_READ = {"PGCLIENTENCODING": "UTF8", "PGTZ": "UTC", "PGDATESTYLE": "ISO"}
"""libpq sends these before all else; Dagster's times have no zone and are meant in UTC."""

CODE_SERVER_MAY_TAKE = {
    # It answers a launch when the run's process has imported everything: on a busy machine after
    # Dagster's 60 s, by when a run about to start counts as failed.
    "DAGSTER_GRPC_TIMEOUT_SECONDS": "300",
    # Else as long: whoever stops it would wait for that.
    "DAGSTER_GRPC_SHUTDOWN_GRACE_PERIOD": "60",
}
"""How long Dagster's processes wait for the code server, and it for what it is at when it ends."""

WEBSERVER = "meta_pipeline.orchestration.webserver"
DAGSTER_YAML = Path(__file__).parents[2] / "orchestration" / "dagster.yaml"
"""The instance as this version wants it; a link to it is right after an upgrade too."""

# Where a code server listens, as Dagster reads it.
_LISTENS = ArgumentParser(add_help=False, allow_abbrev=False)
_LISTENS.add_argument("--socket", "-s")
_LISTENS.add_argument("--host", "-h")
_CODE_SERVERS: Mapping[tuple[str, ...], str] = {
    ("api", "grpc"): "DAGSTER_GRPC",
    ("code-server", "start"): "DAGSTER_CODE_SERVER",
}
"""The commands that start one, and how the variables begin that say the same as their options."""

Command = Annotated[
    list[str], typer.Argument(help="The command and its arguments.", metavar="COMMAND")
]


def execute(command: Command) -> None:
    """Become a process of Dagster's: code server, webserver, daemon or worker.

    DAGSTER_PG_URL is made of DATABASE_URL (or of DATABASE_URL_FILE), which Dagster cannot do by
    itself; one that is set is used instead. A DAGSTER_HOME without a dagster.yaml gets a link to
    the one of this installation.

    For example: meta-pipeline exec dagster-daemon run -w workspace.yaml
    """
    environment = dagster_environment(Settings.load())
    arguments = guarded(command)
    if shutil.which(arguments[0]) is None:
        raise typer.BadParameter(
            f"there is no program {command[0]} beside this Python or on PATH.", param_hint="COMMAND"
        )
    sys.stdout.flush()
    # Where a script started us in the background SIGINT is ignored, and Dagster, which makes
    # SIGTERM the same as SIGINT, could then only be killed.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.umask(0o077)  # storage, compute logs, sockets: for nobody else's eyes
    os.execvpe(arguments[0], arguments, environment)  # noqa: S606  # no shell is wanted


def dagster_environment(
    settings: Settings, given: Mapping[str, str] | None = None, *, lock_seconds: float = 0
) -> dict[str, str]:
    """The environment for Dagster's own commands; a SettingsError says what is missing.

    Their statements wait `lock_seconds` for another session's lock; 0: for ever.
    Secrets are in files, `<NAME>_FILE`: whoever may launch a run may name any variable.
    """
    given = dict(os.environ if given is None else given)
    url = dagster_url(settings.require_dagster_database_url(), lock_seconds=lock_seconds)
    home = _home(given.get("DAGSTER_HOME"))
    environment = {
        "PYTHONUNBUFFERED": "1",
        "DAGSTER_DISABLE_TELEMETRY": "1",
        **CODE_SERVER_MAY_TAKE,
        **given,
        **_from_files(given),
        "DAGSTER_HOME": str(home),
        "DAGSTER_PG_URL": url,
        **AS_WE_READ,
    }
    return concealed(environment, private_folder(home))


def guarded(command: Sequence[str]) -> list[str]:
    """The command out of this environment; the webserver with its doorkeeper before it.

    SettingsError for what would open a door of Dagster's without one.
    """
    name, arguments = _called(command)
    if name == "dagster-webserver":
        # Dagster's own has no login: it is never started without the doorkeeper.
        return [sys.executable, "-m", WEBSERVER, *arguments]
    words = [one for one in arguments if not one.startswith("-")]
    is_dev = name in ("dagster", "dg") and words[:1] == ["dev"]
    if is_dev or name.startswith("dagster-webserver"):  # -debug, and modules of it
        raise SettingsError(
            f"{' '.join([name, *words[:1]])} starts a webserver that any web page can drive: "
            "meta-pipeline dev runs Dagster with a doorkeeper before it."
        )
    if name == "dagster" and (variables := _CODE_SERVERS.get((*words[:2],))):
        _check_code_server(arguments, variables)
    return [beside_python(command[0]), *command[1:]]


def _called(command: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The name of a program of Dagster's and its arguments, also as a module of Python's."""
    name = Path(command[0]).name
    if name.startswith("python") and list(command[1:2]) == ["-m"] and len(command) > 2:
        return command[2].replace("_", "-"), command[3:]
    return name, command[1:]


def _check_code_server(arguments: Sequence[str], variables: str) -> None:
    """SettingsError for a code server on a port of this machine, which every user of it reaches."""
    asked, _ = _LISTENS.parse_known_args(arguments)
    host = asked.host or os.environ.get(f"{variables}_HOST") or "localhost"
    if not (asked.socket or os.environ.get(f"{variables}_SOCKET")) and is_loopback(host):
        raise SettingsError(
            "The code server asks nobody who they are, and every user of this machine reaches a "
            "port: --socket with a path in a folder that is yours alone. Between machines name the "
            "address with --host, and let nobody else reach it (deploy/helm/network-policy.yaml)."
        )


def beside_python(command: str) -> str:
    """A command of this very environment, whatever PATH says; else the command as it is."""
    beside = Path(sys.executable).with_name(command)
    return str(beside) if os.access(beside, os.X_OK) and beside.is_file() else command


def _home(given: str | None) -> Path:
    """Dagster's folder, with a dagster.yaml in it: one's own, else this installation's."""
    if not given:
        raise SettingsError(
            "DAGSTER_HOME is not set: the folder of Dagster's files. One of your own dagster.yaml "
            "may be in it, such as deploy/celery/dagster.yaml; else this installation's is used."
        )
    home = Path(given).absolute()
    own = home / "dagster.yaml"
    if not own.exists():
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Daemon and webserver start at the same time and share the folder.
            with suppress(FileExistsError):
                own.symlink_to(DAGSTER_YAML)
        except OSError as error:
            raise SettingsError(f"DAGSTER_HOME is {home}: {error.strerror}.") from None
    return home


def _from_files(given: Mapping[str, str]) -> dict[str, str]:
    paths = {name: given.get(f"{name}_FILE") for name in FROM_FILES if not given.get(name)}
    return {name: content_of(f"{name}_FILE", path) for name, path in paths.items() if path}
