"""Every setting, typed, in one place: what it is called, where it was looked for, what is wrong."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

META_GRAPH_URL = "https://graph.facebook.com"
_TIME = r"\s*[1-9]\d*\s*[smhd]\s*"
_OUR_OWN_VARIABLES = {
    "META_ACCESS_TOKEN",
    "META_APP_SECRET",
    "META_APP_ID",
    "META_GRAPH_URL",
    "META_API_VERSION",
    "META_ALERT_WEBHOOK_URL",
    "META_ALERT_EMAIL_PASSWORD",
    "DATABASE_URL",
}


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it and says where it was looked for."""


class Settings(BaseSettings):
    """The settings of one process, from the environment and `.env`.

    Values of the environment win over `.env`. A variable may also be given as a file:
    `META_ACCESS_TOKEN_FILE=/run/secrets/token` is read where `META_ACCESS_TOKEN` is not set.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        populate_by_name=True,
        env_ignore_empty=True,
    )

    access_token: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("META_ACCESS_TOKEN"),
        description="Meta access token with ads_read; a system user token suits servers",
    )
    app_secret: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("META_APP_SECRET"),
        description="App secret; switches on appsecret_proof",
    )
    app_id: str | None = Field(
        None,
        validation_alias=AliasChoices("META_APP_ID"),
        description="App id; with the app secret it lets the token be inspected and exchanged",
    )
    graph_url: str = Field(
        META_GRAPH_URL,
        validation_alias=AliasChoices("META_GRAPH_URL"),
        description="Host of the Graph API; anything but Meta's marks the data as simulated",
    )
    api_version: str = Field(
        "v26.0",
        validation_alias=AliasChoices("META_API_VERSION"),
        pattern=r"^v\d+\.\d+$",
        description="Marketing API version",
    )
    database_url: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("DATABASE_URL"),
        description="Postgres to use; without it an embedded server is started",
    )
    data_dir: Path | None = Field(
        None,
        validation_alias=AliasChoices("META_PIPELINE_DATA"),
        description="Folder of the embedded server and of Dagster's files",
    )
    backfill_days: int = Field(
        90,
        ge=1,
        validation_alias=AliasChoices("META_BACKFILL_DAYS"),
        description="Days of insights the first sync of an account reads; Meta keeps 37 months",
    )
    attribution_windows: str = Field(
        "1d_click,7d_click,1d_view",
        validation_alias=AliasChoices("META_ATTRIBUTION_WINDOWS"),
        description="Attribution windows kept beside the default value of every action",
    )
    restatement: str = Field(
        "0:1h,3:6h,7:1d,28:7d",
        validation_alias=AliasChoices("META_RESTATEMENT"),
        pattern=r"^\s*\d+\s*:\s*\d+\s*[mhd]\s*(,\s*\d+\s*:\s*\d+\s*[mhd]\s*)*$",
        description="How often a day is read again, by its age in days: <age>:<interval>, ...",
    )
    insights_levels_text: str = Field(
        "ad",
        validation_alias=AliasChoices("META_INSIGHTS_LEVELS"),
        pattern=r"^(ad|adset|campaign|account)(,(ad|adset|campaign|account))*$",
        description="Levels of daily insights; the account's own row is always read, as a proof",
    )
    breakdowns_text: str = Field(
        "",
        validation_alias=AliasChoices("META_BREAKDOWNS"),
        description="Breakdown tables to keep, such as age,gender;country (off when empty)",
    )
    max_parallel_calls: int = Field(
        4,
        ge=1,
        le=32,
        validation_alias=AliasChoices("META_MAX_PARALLEL_CALLS"),
        description="Calls one sync may have in flight; the governor may allow fewer",
    )
    fresh_seconds: int = Field(
        3600,
        ge=0,
        validation_alias=AliasChoices("META_FRESH_SECONDS"),
        description="Days and entities read within this time are not read again unless forced",
    )
    cost_weights: str = Field(
        "entity=1,insights=1,breakdowns=3,daily=5,long_window=2,action_breakdowns=4",
        validation_alias=AliasChoices("META_COST_WEIGHTS"),
        pattern=r"^(entity|insights|breakdowns|daily|long_window|action_breakdowns)=\d+(\.\d+)?"
        r"(,(entity|insights|breakdowns|daily|long_window|action_breakdowns)=\d+(\.\d+)?)*$",
        description="The guess what a call costs by its shape; view call_cost shows what it moved",
    )
    rotation_policy: Literal["hybrid", "priority", "rotation", "fallback"] = Field(
        "hybrid",
        validation_alias=AliasChoices("META_ROTATION_POLICY"),
        description="Who is synced next: hybrid, priority (by spend), rotation or fallback",
    )
    rotation_tiers: str = Field(
        "high:30m,medium:2h,low:12h,empty:1d",
        validation_alias=AliasChoices("META_ROTATION_TIERS"),
        pattern=rf"^high:{_TIME},medium:{_TIME},low:{_TIME},empty:{_TIME}$",
        description="How old numbers may become under priority and hybrid, by spend of 7 days",
    )
    rotation_high_spend: float = Field(
        100,
        ge=0,
        validation_alias=AliasChoices("META_ROTATION_HIGH_SPEND"),
        description="Spend of 7 days above which an account is of the high tier",
    )
    rotation_medium_spend: float = Field(
        10,
        ge=0,
        validation_alias=AliasChoices("META_ROTATION_MEDIUM_SPEND"),
        description="Spend of 7 days above which an account is of the medium tier",
    )
    rotation_currency: str | None = Field(
        None,
        pattern=r"^[A-Z]{3}$",
        validation_alias=AliasChoices("META_ROTATION_CURRENCY"),
        description="Currency spend is compared in, where rates are known; else each its own",
    )
    insights_every: str = Field(
        "1h",
        pattern=rf"^{_TIME}$",
        validation_alias=AliasChoices("META_INSIGHTS_EVERY"),
        description="How old numbers may become under rotation",
    )
    entities_every: str = Field(
        "4h",
        pattern=rf"^{_TIME}$",
        validation_alias=AliasChoices("META_ENTITIES_EVERY"),
        description="How old the structure may become, under any policy",
    )
    rotation_fresh: str = Field(
        "30m",
        pattern=rf"^{_TIME}$",
        validation_alias=AliasChoices("META_ROTATION_FRESH"),
        description="An account synced within this time is not picked again",
    )
    include_accounts: str = Field(
        "",
        pattern=r"^\s*(act_\d+\s*(,\s*act_\d+\s*)*)?$",
        validation_alias=AliasChoices("META_INCLUDE_ACCOUNTS"),
        description="Ad accounts to sync, such as act_1,act_2; all the token sees when empty",
    )
    exclude_accounts: str = Field(
        "",
        pattern=r"^\s*(act_\d+\s*(,\s*act_\d+\s*)*)?$",
        validation_alias=AliasChoices("META_EXCLUDE_ACCOUNTS"),
        description="Ad accounts to leave out; a person may still sync them by hand",
    )
    accounts_per_run: int = Field(
        10,
        ge=1,
        le=100,
        validation_alias=AliasChoices("META_ACCOUNTS_PER_RUN"),
        description="Accounts a Dagster run takes at most when many are due; one due is one run",
    )
    max_syncs: int = Field(
        3,
        ge=1,
        validation_alias=AliasChoices("META_MAX_SYNCS"),
        description="Runs the sensor keeps under way at once; Dagster's pool meta_api limits them",
    )
    daily_budget_per_account: float | None = Field(
        None,
        ge=0,
        validation_alias=AliasChoices("META_DAILY_BUDGET_PER_ACCOUNT"),
        description="Weighted cost an account may spend in a day of its own; a plan over it waits",
    )
    daily_budget_of_app: float | None = Field(
        None,
        ge=0,
        validation_alias=AliasChoices("META_DAILY_BUDGET_OF_APP"),
        description="Weighted cost all accounts together may spend in a day (UTC)",
    )
    log_retention_days: int = Field(
        90,
        ge=0,
        validation_alias=AliasChoices("META_LOG_RETENTION_DAYS"),
        description="Days single API calls are kept (meta_api_logs); 0 keeps them for ever",
    )
    totals_retention_days: int = Field(
        400,
        ge=0,
        validation_alias=AliasChoices("META_TOTALS_RETENTION_DAYS"),
        description="Days the hourly totals of API calls are kept; reports read these; 0: for ever",
    )
    run_retention_days: int = Field(
        400,
        ge=0,
        validation_alias=AliasChoices("META_RUN_RETENTION_DAYS"),
        description="Days sync_runs are kept; the newest of each kind stays; 0: for ever",
    )
    change_retention_days: int = Field(
        400,
        ge=0,
        validation_alias=AliasChoices("META_CHANGE_RETENTION_DAYS"),
        description="Days the movements of insights are kept (insights_changes); 0: for ever",
    )
    app_usage_stop_pct: float = Field(
        80,
        gt=0,
        validation_alias=AliasChoices("META_APP_USAGE_STOP_PCT"),
        description="No sync starts above this usage of the app",
    )
    account_usage_stop_pct: float = Field(
        70,
        gt=0,
        validation_alias=AliasChoices("META_ACCOUNT_USAGE_STOP_PCT"),
        description="No sync of an account goes on above this usage of it",
    )
    insights_usage_stop_pct: float = Field(
        60,
        gt=0,
        validation_alias=AliasChoices("META_INSIGHTS_USAGE_STOP_PCT"),
        description="Above this insights throttle non-critical work is skipped",
    )

    alert_webhook_url: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("META_ALERT_WEBHOOK_URL"),
        description="Incoming webhook of Slack or Teams that alerts are posted to",
    )
    alert_email_to: str = Field(
        "",
        validation_alias=AliasChoices("META_ALERT_EMAIL_TO"),
        description="Who gets alerts by e-mail, separated by commas",
    )
    alert_email_from: str | None = Field(
        None,
        validation_alias=AliasChoices("META_ALERT_EMAIL_FROM"),
        description="Sender of the e-mails; the first recipient by default",
    )
    alert_email_server: str = Field(
        "",
        validation_alias=AliasChoices("META_ALERT_EMAIL_SERVER"),
        description="SMTP server, as smtp.example.com:587",
    )
    alert_email_user: str | None = Field(
        None,
        validation_alias=AliasChoices("META_ALERT_EMAIL_USER"),
        description="User at the SMTP server; none: no login",
    )
    alert_email_password: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("META_ALERT_EMAIL_PASSWORD"),
        description="Password at the SMTP server",
    )
    alert_email_security: str = Field(
        "starttls",
        validation_alias=AliasChoices("META_ALERT_EMAIL_SECURITY"),
        pattern=r"^(starttls|tls|none)$",
        description="How the connection to the SMTP server is secured: starttls, tls or none",
    )
    alert_log: bool = Field(
        False,
        validation_alias=AliasChoices("META_ALERT_LOG"),
        description="Write alerts to the log of the process that runs the sensors",
    )
    alert_digest_minutes: int = Field(
        60,
        ge=1,
        validation_alias=AliasChoices("META_ALERT_DIGEST_MINUTES"),
        description="Least minutes between two messages; what is urgent waits five at most",
    )
    alert_stale_hours: float = Field(
        6,
        gt=0,
        validation_alias=AliasChoices("META_ALERT_STALE_HOURS"),
        description="An account without new numbers for so long is out of date",
    )
    alert_stale_quiet_hours: float = Field(
        36,
        gt=0,
        validation_alias=AliasChoices("META_ALERT_STALE_QUIET_HOURS"),
        description="The same of an account that spends next to nothing and is read more rarely",
    )
    alert_throttled_hours: float = Field(
        2,
        gt=0,
        validation_alias=AliasChoices("META_ALERT_THROTTLED_HOURS"),
        description="An account that Meta refuses for so long is worth an alert",
    )
    alert_error_rate_pct: float = Field(
        1,
        gt=0,
        validation_alias=AliasChoices("META_ALERT_ERROR_RATE_PCT"),
        description="Share of an hour's calls that may fail, throttled ones not counted",
    )
    dagster_ui_url: str | None = Field(
        None,
        validation_alias=AliasChoices("META_DAGSTER_UI_URL"),
        description="Where people open Dagster, as https://dagster.example.com; alerts link to it",
    )
    dagster_event_days: int = Field(
        14,
        ge=1,
        validation_alias=AliasChoices("META_DAGSTER_EVENT_DAYS"),
        description="Days Dagster keeps the events of a run, other than what happened to assets",
    )
    dagster_history_days: int = Field(
        90,
        ge=1,
        validation_alias=AliasChoices("META_DAGSTER_HISTORY_DAYS"),
        description="Days Dagster keeps runs and materializations; the newest of each stays",
    )

    _secret_names: ClassVar[tuple[str, ...]] = (
        "access_token",
        "app_secret",
        "database_url",
        "alert_webhook_url",
        "alert_email_password",
    )

    @field_validator("graph_url", mode="before")
    @classmethod
    def _host_only(cls, value: Any) -> Any:
        text = str(value).rstrip("/")
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("is not a URL such as https://graph.facebook.com")
        return text

    @property
    def is_simulated(self) -> bool:
        """Whether the Graph API asked is not Meta's own."""
        return urlsplit(self.graph_url).hostname != urlsplit(META_GRAPH_URL).hostname

    @property
    def insights_levels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.insights_levels_text.split(",")))

    @property
    def attribution_window_names(self) -> tuple[str, ...]:
        return _names(self.attribution_windows, ",")

    @property
    def breakdowns(self) -> tuple[tuple[str, ...], ...]:
        """One tuple of breakdown names for each breakdown table."""
        return tuple(_names(one, ",") for one in _names(self.breakdowns_text, ";"))

    @property
    def included(self) -> frozenset[str]:
        return frozenset(_names(self.include_accounts, ","))

    @property
    def excluded(self) -> frozenset[str]:
        return frozenset(_names(self.exclude_accounts, ","))

    def require_database_url(self) -> str:
        """The database of the settings, or a SettingsError that says how to set it."""
        if self.database_url is None:
            raise SettingsError(_missing("DATABASE_URL", "the Postgres to use"))
        return self.database_url.get_secret_value()

    def require_token(self) -> str:
        """The access token, or a SettingsError that says how to set it."""
        if self.access_token is None:
            raise SettingsError(_missing("META_ACCESS_TOKEN", "a Meta access token with ads_read"))
        return self.access_token.get_secret_value()

    @classmethod
    def load(cls, env_file: Path | str | None = ".env", **overrides: Any) -> Self:
        """Read the settings; a wrong one is named in one sentence (SettingsError)."""
        try:
            values: dict[str, Any] = {"_env_file": env_file, **_from_files(), **overrides}
            return cls(**values)
        except ValidationError as error:
            raise SettingsError(_explain(error)) from None


def _from_files() -> dict[str, str]:
    """Values of `<NAME>_FILE` variables whose `<NAME>` is not set: how containers give secrets."""
    values = {}
    for name in _OUR_OWN_VARIABLES:
        path = os.environ.get(f"{name}_FILE")
        if path and not os.environ.get(name):
            try:
                values[name] = Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise SettingsError(
                    f"{name}_FILE points to {path}, which cannot be read: {error.strerror}."
                ) from None
    return values


def _names(text: str, separator: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(separator) if name.strip())


def _missing(name: str, meaning: str) -> str:
    return (
        f"{name} is not set ({meaning}). Looked in: the environment, {name}_FILE, "
        f"{Path('.env').absolute()}. Set it there; .env.example explains every setting. "
        "To try everything without Meta: meta-pipeline demo."
    )


def _explain(error: ValidationError) -> str:
    """One sentence per wrong setting; the value itself is left out: it may be a secret."""
    sentences = []
    for problem in error.errors(include_input=False, include_url=False):
        name = str(problem["loc"][0]) if problem["loc"] else "settings"
        field = Settings.model_fields.get(name)
        if field is not None and isinstance(field.validation_alias, AliasChoices):
            name = str(field.validation_alias.choices[0])
        message = problem["msg"].removeprefix("Value error, ")
        sentences.append(f"{name} {message[0].lower()}{message[1:]}.")
    looked = f"Looked in: the environment, *_FILE variables, {Path('.env').absolute()}."
    return " ".join([*sentences, looked, ".env.example explains every setting."])


@lru_cache(maxsize=1)
def current() -> Settings:
    """The settings of this process, read once."""
    return Settings.load()
