"""Which table of the warehouse is which asset, and all that the graph shows about it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from meta_pipeline.custom_reports import CustomReport, ReportsError, load
from meta_pipeline.settings import Settings, SettingsError
from meta_pipeline.sync import Extras, Part
from meta_pipeline.sync.rows.report_table import table_of
from meta_pipeline.warehouse import schema

from .place import here

logger = logging.getLogger(__name__)

HERE = here()
AD_ACCOUNTS_KEY = HERE.key("ad_accounts")
INSIGHTS_KEY = HERE.key("insights")
OWNERS = list(HERE.owners)
TAGS = {"domain": "ads", "source": "meta-marketing-api", **HERE.tags}
OPERATIONS = "operations"
"""Group of the assets that are about the pipeline itself."""
KINDS = {"meta", "postgres"}
META_DOCS = "https://developers.facebook.com/docs/marketing-api/reference/ad-account"
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class AccountTable:
    """A table that is filled account by account."""

    part: Part
    """What the sync is asked for."""
    table: sa.Table
    edge: str
    """The edge of the ad account that it is read from."""
    rows: tuple[str, ...]
    """Fields of `SyncRun` whose sum is the number of rows Meta gave for it."""
    summary: str
    is_counted: bool = True
    """Whether it is small enough per account to count its rows after each sync."""
    report: CustomReport | None = None
    """The custom report that it holds."""

    @property
    def name(self) -> str:
        return self.report.table_name if self.report else str(self.part)

    @property
    def key(self) -> dg.AssetKey:
        return HERE.key(self.name)

    def is_on(self, account_id: str, extras: Extras) -> bool:
        """Whether the settings have an extra read for an account."""
        if self.report is not None:
            return self.report.is_for(account_id)
        return self.part in extras.on(account_id)


STRUCTURE = (
    AccountTable(
        Part.CAMPAIGNS,
        schema.meta_campaigns,
        "campaigns",
        ("campaigns_fetched",),
        "Campaigns of the ad account, also paused, archived and deleted ones.",
    ),
    AccountTable(
        Part.ADSETS,
        schema.meta_adsets,
        "adsets",
        ("ad_sets_fetched",),
        "Ad sets with their budgets, targeting and learning stage.",
    ),
    AccountTable(
        Part.ADS,
        schema.meta_ads,
        "ads",
        ("ads_fetched",),
        "Ads with their review state and the creative they show.",
    ),
)
"""The structure of an account: read in parallel, first."""

DELIVERY = (
    AccountTable(
        Part.INSIGHTS,
        schema.meta_insights,
        "insights",
        ("insights_rows_read",),
        "Spend, delivery and results by day. A row exists only where something delivered; Meta "
        "restates a day for 28 days, and the sync reads it again by age.",
        is_counted=False,
    ),
)
"""The numbers of an account: read once its structure is there."""

ENTITY_EXTRAS = (
    AccountTable(
        Part.CREATIVES,
        schema.meta_creatives,
        "adcreatives",
        ("creatives_fetched",),
        "Creatives: what people see of an ad. Off until META_CREATIVES names the account; then "
        "listed whole, once a day.",
    ),
    AccountTable(
        Part.ACTIVITIES,
        schema.meta_activities,
        "activities",
        ("activities_fetched",),
        "Who changed what: Meta's change log of the account. Off until META_ACTIVITIES names the "
        "account; then read with every sync, from where the last one ended.",
    ),
    AccountTable(
        Part.RECOMMENDATIONS,
        schema.meta_recommendations,
        "recommendations",
        ("recommendations_fetched",),
        "What Meta itself recommends, with its opportunity score (table `opportunity_scores`): "
        "never mixed with our own advice. Off until META_RECOMMENDATIONS names the account; then "
        "read once a day, up to 100 accounts of a business in one call.",
    ),
    AccountTable(
        Part.CUSTOM_CONVERSIONS,
        schema.meta_custom_conversions,
        "customconversions",
        ("custom_conversions_fetched",),
        "Custom conversions: the names behind offsite_conversion.custom.<id>. Off until "
        "META_CUSTOM_CONVERSIONS names the account; then listed whole, once a day.",
    ),
    AccountTable(
        Part.CUSTOM_AUDIENCES,
        schema.meta_custom_audiences,
        "customaudiences",
        ("custom_audiences_fetched",),
        "Custom audiences and lookalikes: what they are made of and about how large they are, "
        "nobody in them. Off until META_CUSTOM_AUDIENCES names the account; then listed whole, "
        "once a day.",
    ),
    AccountTable(
        Part.IMAGES,
        schema.meta_images,
        "adimages",
        ("images_fetched",),
        "Images of the account's library: sizes and addresses, not the files. Off until "
        "META_IMAGES names the account; then listed whole, once a day.",
    ),
)
"""What an account may keep besides its structure: off by default, read after everything else."""


def report_tables(reports: Sequence[CustomReport]) -> tuple[AccountTable, ...]:
    """The table of each custom report."""
    return tuple(
        AccountTable(
            Part.REPORTS,
            table_of(report),
            "insights",
            ("insights_rows_read",),
            f"{report.description or 'Custom report'}. As META_REPORTS_FILE describes it, at most "
            f"every {report.cadence}; rows are read again by age.",
            is_counted=False,
            report=report,
        )
        for report in reports
    )


def _configured() -> tuple[CustomReport, ...]:
    """The custom reports of this process's settings; none where these are wrong.

    A run says what is wrong with them: definitions load without any settings.
    """
    try:
        file = Settings.load(**HERE.settings).reports_file
        return load(file) if file else ()
    except (ReportsError, SettingsError) as error:
        logger.warning("custom reports are no assets until this is mended: %s", error)
        return ()


INSIGHT_EXTRAS = (
    AccountTable(
        Part.HOURLY,
        schema.meta_insights_hourly,
        "insights",
        ("insights_rows_read",),
        "Spend, delivery and results of each ad by hour of the account's day. Off until "
        "META_HOURLY names the account; then days are read again by age, as insights are.",
        is_counted=False,
    ),
    AccountTable(
        Part.BREAKDOWNS,
        schema.meta_insights_breakdown,
        "insights",
        ("insights_rows_read",),
        "Each ad's day by the breakdowns of META_BREAKDOWNS, such as age and gender, for the "
        "accounts of META_BREAKDOWN_ACCOUNTS. Off while it names none; days are read again by age.",
        is_counted=False,
    ),
    *report_tables(_configured()),
)
"""What an account may keep besides its daily numbers: off by default, read after them."""


def account_specs(
    tables: Sequence[AccountTable], *, group: str, deps: Sequence[dg.AssetKey]
) -> list[dg.AssetSpec]:
    """One spec for each table, as the asset graph shows it."""
    return [
        table_spec(
            entry.key,
            entry.table,
            group=group,
            deps=deps,
            summary=entry.summary,
            docs=f"{META_DOCS}/{entry.edge}/",
        )
        for entry in tables
    ]


def table_spec(
    key: dg.AssetKey,
    table: sa.Table,
    *,
    group: str,
    summary: str,
    docs: str,
    deps: Sequence[dg.AssetKey] = (),
) -> dg.AssetSpec:
    """The spec of an asset that is a table: columns, grain and keys come from its declaration."""
    return dg.AssetSpec(
        key,
        deps=deps,
        group_name=HERE.group_of(group),
        automation_condition=HERE.automation_condition,
        kinds=KINDS,
        owners=OWNERS,
        tags=TAGS,
        description=f"{summary}\n\n**Grain:** {table.comment}.\n\n**Table:** `{table.fullname}`",
        metadata={
            # Names that Dagster knows and shows in places of their own.
            "dagster/table_name": table.fullname,
            "dagster/column_schema": column_schema(table),
            "primary_key": ", ".join(column.name for column in table.primary_key),
            "meta_docs": dg.MetadataValue.url(docs),
        },
    )


def column_schema(table: sa.Table) -> dg.TableSchema:
    """Columns of a declared table with their Postgres types and comments."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.type.compile(dialect=_DIALECT).lower(),
                # The UI reads it as Markdown, where act_<number> would lose its number.
                description=(column.comment or "").replace("<", "&lt;"),
                constraints=dg.TableColumnConstraints(
                    nullable=bool(column.nullable),
                    unique=bool(column.primary_key and len(column.table.primary_key) == 1),
                    other=["primary key"] if column.primary_key else [],
                ),
            )
            for column in table.columns
        ]
    )
