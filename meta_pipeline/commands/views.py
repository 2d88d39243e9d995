"""`meta-pipeline views`: our tables in the shape that other people's models read."""

from pathlib import Path
from typing import Annotated

import typer

from .database import opened_warehouse
from .terminal.console import say, styled, write

app = typer.Typer(add_completion=False, name="views", no_args_is_help=True)


@app.callback()
def about() -> None:
    """Our tables in the shape that other people's models read: Fivetran's connector, dbt."""


@app.command()
def fivetran(
    schema: Annotated[
        str,
        typer.Option("--schema", help="Schema to make them in; it is made where there is none."),
    ] = "facebook_ads",
    reader: Annotated[
        str | None,
        typer.Option(
            "--reader", help="A role that may read them, beside db grant-reader's rights."
        ),
    ] = None,
    drop: Annotated[bool, typer.Option("--drop", help="Take them away again.")] = False,
) -> None:
    """Make views in the shape of Fivetran's Facebook Ads connector, for models written on it.

    campaign_history, basic_ad, basic_ad_actions and so on: with the dbt variable
    facebook_ads_schema set to the schema, models run unchanged. They hold nothing, and follow every
    sync at once. A schema that has tables of Fivetran's own under these names is left as it is.
    """
    from meta_pipeline.warehouse import fivetran as shape

    with opened_warehouse(writes=True) as (_, warehouse), warehouse.connection() as connection:
        if drop:
            gone = shape.drop(connection, schema)
            say(f"{len(gone)} views are gone from {schema}." if gone else f"None were in {schema}.")
            return
        # All or none: models that find half of their tables fail late.
        made = shape.make(connection, schema, reader=reader)
    say(f"{len(made)} views are in {schema}: {', '.join(made)}")
    say("In dbt_project.yml: ", styled(f"vars: {{facebook_ads_schema: {schema}}}", "bold"))


@app.command("dbt-sources")
def dbt_sources(
    source: Annotated[
        str, typer.Option("--source", help="What models call it: source('meta_ads', ...).")
    ] = "meta_ads",
    key_prefix: Annotated[
        str,
        typer.Option(
            "--key-prefix", help="What stands before our assets in your Dagster: paid/meta."
        ),
    ] = "meta",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write; else it is printed.")
    ] = None,
    reports_file: Annotated[
        Path | None, typer.Option("--reports-file", help="Another file than META_REPORTS_FILE.")
    ] = None,
) -> None:
    """Write a sources.yml for dbt: every table and view with its columns, tests and freshness.

    It names the asset that fills each, so that dagster-dbt runs a model after it. The tables of
    custom reports are among them, as META_REPORTS_FILE describes them; in Postgres they are from
    the first sync that reads them.
    """
    from meta_pipeline.custom_reports import load
    from meta_pipeline.settings import Settings
    from meta_pipeline.sync.rows.report_table import table_of
    from meta_pipeline.warehouse.dbt_sources import sources

    described = reports_file or Settings.load().reports_file
    reports = map(table_of, load(described)) if described else ()
    text = sources(source, key_prefix=key_prefix, reports=reports)
    if output is None:
        write(text)
        return
    output.write_text(text, encoding="utf-8")
    say(f"{output} is written. In a model: ", styled(f"source('{source}', 'ad_insights')", "bold"))
