"""`meta-pipeline`: a thin mirror of the Python API, one command for each thing a person does."""

from __future__ import annotations

import gc
from typing import Annotated, ClassVar

import typer

from meta_pipeline.commands.terminal.group import Entry, Root

_COMMANDS = "meta_pipeline.commands."
_PASSED_ON = {
    "context_settings": {"ignore_unknown_options": True, "allow_interspersed_args": False}
}


class _Root(Root):
    # Modules are imported when a command is called; a test compares these lines with their help.
    entries: ClassVar = {
        "demo": Entry(
            f"{_COMMANDS}processes.demo:demo",
            "Sync twelve simulated ad accounts into Postgres through Dagster.",
        ),
        "init": Entry(f"{_COMMANDS}init:init", "Write a commented .env: asks for the token."),
        "dev": Entry(
            f"{_COMMANDS}processes.dev:dev",
            "Run the web application and Dagster (UI, daemon, code location).",
        ),
        "web": Entry(f"{_COMMANDS}processes.web:web", "Serve the web application."),
        "check": Entry(
            f"{_COMMANDS}check.check:check",
            "Check token, scopes, accounts, insights and Postgres, or the stored data.",
        ),
        "accounts": Entry(f"{_COMMANDS}accounts:app", "Which ad accounts there are."),
        "connections": Entry(
            f"{_COMMANDS}access.connections:app",
            "The tokens that let us in: whose, which accounts, until when.",
        ),
        "tenants": Entry(
            f"{_COMMANDS}access.tenants:app", "Who sees which ad accounts, and no others."
        ),
        "plan": Entry(f"{_COMMANDS}sync.plan:plan", "Say what a sync would read and cost."),
        "sync": Entry(f"{_COMMANDS}sync.sync:sync", "Sync ad accounts into Postgres."),
        "backfill": Entry(
            f"{_COMMANDS}sync.backfill:backfill",
            "Load earlier days of insights, after saying what they cost.",
        ),
        "reports": Entry(
            f"{_COMMANDS}reports:app",
            "Custom reports: tables of insights that META_REPORTS_FILE describes.",
        ),
        "requests": Entry(
            f"{_COMMANDS}sync.requests:app",
            "Ask Dagster for syncs, and see what came of them.",
        ),
        "reset": Entry(f"{_COMMANDS}sync.reset:reset", "Take datasets out, to be read again."),
        "status": Entry(f"{_COMMANDS}status:status", "Show how fresh every ad account is."),
        "runs": Entry(f"{_COMMANDS}runs:app", "What every sync did, waited for and met."),
        "report": Entry(f"{_COMMANDS}report:report", "Answer the operational questions."),
        "exporter": Entry(
            f"{_COMMANDS}processes.exporter:exporter", "Serve metrics for Prometheus."
        ),
        "rotation": Entry(f"{_COMMANDS}rotation:app", "Which account is synced next, and why."),
        "simulate": Entry(
            f"{_COMMANDS}processes.simulate:app", "A Graph API with made-up ad accounts."
        ),
        "metrics": Entry(
            f"{_COMMANDS}metrics.metrics:app", "Numbers people can trust: ask, check."
        ),
        "ask": Entry(f"{_COMMANDS}ask:ask", "Answer a question in plain words."),
        "mcp": Entry(f"{_COMMANDS}mcp:mcp", "Serve metrics and questions to an MCP client."),
        "advice": Entry(
            f"{_COMMANDS}advice:app",
            "What to pause, scale or fix in an ad account, and how sure that is.",
        ),
        "db": Entry(f"{_COMMANDS}db:app", "The database: its URL, a psql on it, its life."),
        "views": Entry(
            f"{_COMMANDS}views:app", "Our tables in the shape that other people's models read."
        ),
        "export": Entry(
            f"{_COMMANDS}export:export",
            "Write the tables as Parquet files: by table, account and month, only what has "
            "changed.",
        ),
        "doctor": Entry(f"{_COMMANDS}doctor:app", "What is going to break, before it does."),
        "migrate": Entry(f"{_COMMANDS}migrate:migrate", "Bring the tables to this version."),
        "webhooks": Entry(
            f"{_COMMANDS}webhooks:app", "Let Meta tell what changes, and see what it told."
        ),
        "api-keys": Entry(f"{_COMMANDS}access.api_keys:app", "Keys of programs that use /v1."),
        "exec": Entry(
            f"{_COMMANDS}processes.execute:execute", "Become a process of Dagster's.", _PASSED_ON
        ),
    }


app = typer.Typer(
    name="meta-pipeline",
    cls=_Root,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Meta Ads accounts kept in Postgres by Dagster. Start with: meta-pipeline demo",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415  # no other command waits for it

        typer.echo(version("meta-pipeline"))
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where an error came from.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of the command."""
    # A start makes many objects that all stay: looking for garbage among them is a sixth of it.
    gc.set_threshold(100_000, *gc.get_threshold()[1:])
    app()


if __name__ == "__main__":
    main()
