"""`meta-pipeline simulate`: the Graph API simulator on its own."""

from datetime import datetime
from typing import Annotated, Literal

import typer

from meta_pipeline.commands.terminal.console import fail, say
from meta_pipeline.local.simulated import require_simulator

app = typer.Typer(
    add_completion=False,
    name="simulate",
    invoke_without_command=True,
    help="A Graph API with made-up ad accounts on this machine, for tests of any client: "
    "docs/simulator.md shows how to use it in your own project.",
)


@app.callback()
def simulate(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = 8765,
    world: Annotated[
        Literal["demo", "small", "large", "insights"], typer.Option(help="Which accounts.")
    ] = "demo",
    seed: Annotated[int, typer.Option(help="The same seed gives the same world.")] = 7,
    latency_ms: Annotated[
        float, typer.Option("--latency-ms", min=0, help="Median time an answer takes.")
    ] = 0.0,
    tier: Annotated[
        Literal["development_access", "standard_access"], typer.Option(help="Access tier.")
    ] = "development_access",
    calls_per_hour: Annotated[
        int | None, typer.Option(min=1, help="A small allowance, to see throttling.")
    ] = None,
    anchor: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Day the generated past ends; give the same again and a restart finds it.",
            show_default="the first of this month",
        ),
    ] = None,
) -> None:
    """Serve a simulated Graph API until Ctrl-C; the status page is at /_sim/."""
    if context.invoked_subcommand is not None:
        return
    require_simulator()
    from meta_pipeline.simulator import serve

    try:
        serve(
            host,
            port,
            seed=seed,
            world_name=world,
            latency_ms=latency_ms,
            tier=tier,
            calls_per_hour=calls_per_hour,
            anchor=anchor.date() if anchor else None,
        )
    except (RuntimeError, OSError) as error:
        fail(str(error))


@app.command()
def coverage() -> None:
    """Print the edges and fields that are served, of those that Meta's SDK knows."""
    require_simulator()
    from meta_pipeline.simulator import coverage_table

    say(coverage_table())
