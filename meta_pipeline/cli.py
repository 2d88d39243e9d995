"""`meta-pipeline`: a thin mirror of the Python API, one command for each thing a person does."""

from importlib.metadata import version
from typing import Annotated

import typer

from meta_pipeline.commands import (
    check,
    db,
    demo,
    dev,
    execute,
    exporter,
    metrics,
    migrate,
    report,
    rotation,
    simulate,
    status,
    sync,
)

app = typer.Typer(
    name="meta-pipeline",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Meta Ads accounts kept in Postgres by Dagster. Start with: meta-pipeline demo",
)
app.command()(demo.demo)
app.command()(dev.dev)
app.command()(check.check)
app.command()(sync.plan)
app.command()(sync.sync)
app.command()(status.status)
app.command()(report.report)
app.command()(exporter.exporter)
app.add_typer(rotation.app)
app.add_typer(simulate.app)
app.add_typer(metrics.app)
app.add_typer(db.app)
app.command()(migrate.migrate)
app.command("exec", context_settings=execute.CONTEXT)(execute.execute)


def _print_version(wanted: bool) -> None:
    if wanted:
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
) -> None:
    pass


def main() -> None:
    """Entry point of the command."""
    app()


if __name__ == "__main__":
    main()
