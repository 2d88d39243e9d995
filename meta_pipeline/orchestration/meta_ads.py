"""MetaAds: everything of meta_pipeline as one object, for somebody's own Dagster.

In Python:

    defs = dg.Definitions.merge(theirs, MetaAds(accounts=["act_1"]).build_defs())

or as a component, in a folder of `defs/`:

    type: meta_pipeline.MetaAds
    attributes:
      accounts: [act_1]

Only what says how things are called and what is read is here; the definitions are those of our own
Dagster, and nothing of them is imported before `build_defs`.
"""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Self

import dagster as dg
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.functional_validators import ModelWrapValidatorHandler

from meta_pipeline.settings import Settings

from .place import OWN_POOL, Place, take
from .scaffold import commented_options

# What is given may be a secret by mistake: an error names the field alone. Errors of Dagster and of
# runs quote what is no name, so it is refused here.
_DISCREET = ConfigDict(hide_input_in_errors=True)
_NAME = (
    re.compile(r"[A-Za-z_][A-Za-z0-9_]*"),
    "is a name of A-Z, a-z, 0-9 and _ that begins with no digit",
)
# No patterns of the fields: Dagster copies those into its own model of a component's file, which
# is checked before templates are resolved and whose errors quote what they found.
_FORMS = {
    "key_prefix": (
        re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*"),
        "is names with slashes between them, such as meta or paid/meta",
    ),
    "group": (
        re.compile(r"[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*"),
        "is names of A-Z, a-z, 0-9 and _ with slashes between them, such as meta_ads",
    ),
    "owners": (
        re.compile(r"team:.+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}"),
        "are teams, such as team:marketing, and addresses of email",
    ),
    "pool": (re.compile(r"\S+"), "is a name without spaces"),
    "name_prefix": _NAME,
    "database_url_env": _NAME,
}
_TAG = re.compile(r"([\w.-]{1,63}/|dagster/kind/)?[\w.-]{1,63}=[\w.-]{0,63}", re.ASCII)
_VARIABLE = re.compile(r"META_[A-Z_]+")
Accounts = Annotated[list[str], Field(examples=[["act_1234567890"]])]


class MetaAdsExtras(dg.Model, dg.Resolvable):
    """What is read besides campaigns, ad sets, ads and daily insights; each costs calls.

    A list names accounts, `[all]` is every account.
    """

    model_config = _DISCREET

    creatives: Accounts = Field(default=[], description="Accounts whose creatives are kept")
    activities: Accounts = Field(default=[], description="Accounts whose change log is kept")
    recommendations: Accounts = Field(
        default=[], description="Accounts whose recommendations by Meta are kept"
    )
    custom_conversions: Accounts = Field(
        default=[], description="Accounts whose custom conversions are kept, with their names"
    )
    custom_audiences: Accounts = Field(
        default=[], description="Accounts whose custom audiences are kept"
    )
    images: Accounts = Field(default=[], description="Accounts whose images are kept")
    hourly: Accounts = Field(default=[], description="Accounts whose insights are kept by hour")
    breakdowns: list[str] = Field(
        default=[],
        description="Breakdown tables to keep, each as age,gender",
        examples=[["country", "age,gender"]],
    )
    breakdown_accounts: Accounts = Field(
        default=["all"], description="Accounts the breakdowns are for", examples=[["all"]]
    )

    def variables(self) -> dict[str, str]:
        """The settings these are, by the names of their variables."""
        chosen = {
            "META_CREATIVES": ",".join(self.creatives),
            "META_ACTIVITIES": ",".join(self.activities),
            "META_RECOMMENDATIONS": ",".join(self.recommendations),
            "META_CUSTOM_CONVERSIONS": ",".join(self.custom_conversions),
            "META_CUSTOM_AUDIENCES": ",".join(self.custom_audiences),
            "META_IMAGES": ",".join(self.images),
            "META_HOURLY": ",".join(self.hourly),
            "META_BREAKDOWNS": ";".join(self.breakdowns),
        }
        # Also for breakdowns that the environment names.
        if self.breakdowns or "breakdown_accounts" in self.model_fields_set:
            chosen["META_BREAKDOWN_ACCOUNTS"] = ",".join(self.breakdown_accounts)
        return chosen


class MetaAdsCadence(dg.Model, dg.Resolvable):
    """How old data may become, as 30m, 1h or 1d; by spend (policy hybrid) where nothing is said."""

    model_config = _DISCREET

    insights: str | None = Field(
        default=None,
        description="How old numbers may become, of every account alike",
        examples=["1h"],
    )
    entities: str | None = Field(
        default=None, description="How old the structure may become", examples=["4h"]
    )
    tiers: str | None = Field(
        default=None,
        description="How old numbers may become by spend, as META_ROTATION_TIERS; where insights "
        "says nothing",
        examples=["high:30m,medium:2h,low:12h,empty:1d"],
    )

    def variables(self) -> dict[str, str | None]:
        """The settings these are, by the names of their variables."""
        return {
            "META_ROTATION_POLICY": "rotation" if self.insights else None,
            "META_INSIGHTS_EVERY": self.insights,
            "META_ENTITIES_EVERY": self.entities,
            "META_ROTATION_TIERS": self.tiers,
        }


class MetaAdsScaffolder(dg.Scaffolder[Any]):
    """Writes a `defs.yaml` that names every option: `dg scaffold defs meta_pipeline.MetaAds`."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        dg.scaffold_component(request, {"key_prefix": "meta"})
        if request.scaffold_format == "yaml":
            place = request.target_path
            file = place / "defs.yaml" if place.is_dir() else place
            with file.open("a", encoding="utf-8") as opened:
                opened.write(commented_options(MetaAds, besides={"key_prefix"}))


class _DiscreetFile(BaseModel):
    """A component's file whose errors say where, and not what they found there.

    Dagster makes them anew and shows what was found, whatever the model's configuration says.
    """

    model_config = _DISCREET

    @model_validator(mode="wrap")
    @classmethod
    def _without_what_was_found(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(value)
        except ValidationError as error:
            found: list[Any] = [{**one, "input": SecretStr("hidden")} for one in error.errors()]
            raise ValidationError.from_exception_data(error.title, found) from None


@dg.scaffold_with(MetaAdsScaffolder)
class MetaAds(dg.Component, dg.Model, dg.Resolvable):
    """Meta (Facebook and Instagram) Ads accounts kept in Postgres, partitioned by ad account.

    Campaigns, ad sets, ads and insights with their metrics, checks, jobs, schedules and the sensor
    that syncs whoever is due within Meta's limits. The token is read from META_ACCESS_TOKEN, the
    database from DATABASE_URL or the variable of `database_url_env`, in the process of each run.
    """

    model_config = _DISCREET

    accounts: Accounts = Field(
        default=[], description="Ad accounts to sync; all that the token sees when empty"
    )
    exclude_accounts: Accounts = Field(
        default=[], description="Ad accounts to leave out", examples=[["act_9876543210"]]
    )
    extras: MetaAdsExtras = Field(default=MetaAdsExtras(), description="What else is read")
    cadence: MetaAdsCadence = Field(default=MetaAdsCadence(), description="How old data may become")
    key_prefix: str = Field(
        default="meta", description="Before the key of every asset, levels with slashes: paid/meta"
    )
    group: str | None = Field(
        default=None,
        description="One group for all assets, instead of entities, insights, ...",
        examples=["meta_ads"],
    )
    owners: list[str] = Field(
        default=[], description="Owners of all assets", examples=[["team:marketing"]]
    )
    tags: dict[str, str] = Field(
        default={}, description="Tags of all assets, beside our own", examples=[{"tier": "gold"}]
    )
    partitions: str = Field(
        default="ad_account", description="Name of the dynamic partitions, an ad account each"
    )
    pool: str = Field(
        default=OWN_POOL,
        description="Pool of the steps that ask Meta. One of your own keeps the limit you gave it; "
        "ours has META_MAX_SYNCS slots",
    )
    name_prefix: str = Field(
        default="meta_ads_",
        description="Before the names of jobs, sensors, schedules, steps and resources",
    )
    start_sensors: bool = Field(
        default=True, description="Whether sensors and schedules run without being started by hand"
    )
    database_url_env: str = Field(
        default="DATABASE_URL",
        description="Variable that holds the URL of the Postgres of the ads",
    )
    settings: dict[str, str] = Field(
        default={},
        description="Any other setting by the name of its variable, before the environment; no "
        "secrets",
        examples=[{"META_BACKFILL_DAYS": "30"}],
    )

    @field_validator(*_FORMS)
    @classmethod
    def _are_names(
        cls, value: str | list[str] | None, info: ValidationInfo
    ) -> str | list[str] | None:
        form, told = _FORMS[str(info.field_name)]
        names = [value] if isinstance(value, str) else value or []
        if not all(map(form.fullmatch, names)):
            raise ValueError(told)
        return value

    @field_validator("tags")
    @classmethod
    def _are_tags(cls, value: dict[str, str]) -> dict[str, str]:
        if not all(_TAG.fullmatch(f"{name}={one}") for name, one in value.items()):
            raise ValueError("are not all names and values of at most 63 of A-Z, a-z, 0-9, _, -, .")
        return value

    @field_validator("settings")
    @classmethod
    def _are_settings(cls, value: dict[str, str]) -> dict[str, str]:
        known = _fields()
        for name in value:
            if name not in known:
                told = name if _VARIABLE.fullmatch(name) else "a name"
                raise ValueError(f"{told} is no setting; docs/settings.md lists them")
            # A component's file is committed, and its attributes are shown in Dagster's UI.
            if "Secret" in str(Settings.model_fields[known[name]].annotation):
                raise ValueError(
                    f"{name} is a secret: set it in the environment of the code location"
                )
        return value

    @classmethod
    @cache
    def model(cls) -> type[BaseModel]:
        """What Dagster checks a component's file with, before its templates are resolved."""
        derived = super().model()
        return create_model(derived.__name__, __base__=(derived, _DiscreetFile))

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """What `dg list components` and the docs page say."""
        return dg.ComponentTypeSpec(
            description="Meta (Facebook and Instagram) Ads accounts kept in Postgres, as assets "
            "partitioned by ad account.",
            tags=["integration", "ads"],
        )

    def build_defs(
        self,
        context: dg.ComponentLoadContext | None = None,
        *,
        automation_condition: dg.AutomationCondition[dg.AssetKey] | None = None,
        hooks: Iterable[dg.HookDefinition] = (),
    ) -> dg.Definitions:
        """All definitions, to be merged with one's own: `dg.Definitions.merge`.

        `automation_condition` is set on every asset that is a table; `hooks` on every job. Raises
        SettingsError for a wrong setting, PlaceTaken for a second, different MetaAds in the same
        code location.
        """
        place = Place(
            key_prefix=tuple(self.key_prefix.split("/")),
            prefix=self.name_prefix,
            group=self.group,
            owners=tuple(self.owners),
            tags=self.tags,
            partitions=self.partitions,
            pool=self.pool,
            is_own=False,
            is_running=self.start_sensors,
            settings=self._settings(),
            database_url_env=self.database_url_env,
            automation_condition=automation_condition,
            hooks=frozenset(hooks),
        )
        # Now, so that a wrong setting is told where it was written, not by the first run.
        Settings.load(**place.settings)
        take(place)
        from .build import build_defs  # noqa: PLC0415 - the definitions are made for this place

        return build_defs()

    @property
    def partitions_def(self) -> dg.DynamicPartitionsDefinition:
        """The partitions of our assets, for assets of one's own: a key is an ad account."""
        return dg.DynamicPartitionsDefinition(name=self.partitions)

    def key(self, name: str) -> dg.AssetKey:
        """The key of one of our assets, such as `insights`, for the `deps` of one's own."""
        return dg.AssetKey([*self.key_prefix.split("/"), name])

    def _settings(self) -> dict[str, str]:
        chosen: dict[str, str | None] = {
            "META_INCLUDE_ACCOUNTS": ",".join(self.accounts),
            "META_EXCLUDE_ACCOUNTS": ",".join(self.exclude_accounts),
            **self.extras.variables(),
            **self.cadence.variables(),
            **self.settings,
        }
        fields = _fields()
        # What is left empty is left to the environment.
        return {fields[name]: value for name, value in chosen.items() if value}


def _fields() -> Mapping[str, str]:
    """The fields of the settings by the names of their variables."""
    aliases: dict[str, Any] = {
        name: field.validation_alias for name, field in Settings.model_fields.items()
    }
    return {
        str(alias.choices[0]): name
        for name, alias in aliases.items()
        if isinstance(alias, AliasChoices)
    }
