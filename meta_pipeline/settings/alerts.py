"""Who is told when something is wrong."""

from __future__ import annotations

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from meta_pipeline.credentials import split_address


class AlertSettings(BaseSettings, defer_build=True, hide_input_in_errors=True):
    """Channels and what is worth an alert; off until a channel is named."""

    alert_webhook_url: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("META_ALERT_WEBHOOK_URL"),
        description="Incoming webhook of Slack or Teams that alerts go to, by https",
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
    dagster_hosts: str = Field(
        "",
        validation_alias=AliasChoices("META_DAGSTER_HOSTS"),
        pattern=r"^\s*[A-Za-z0-9._:\[\]-]*(\s*,\s*[A-Za-z0-9._:\[\]-]+)*\s*$",
        description="Further names Dagster may be opened by, such as dagster.lan,10.0.0.5:3000",
    )

    @field_validator("dagster_ui_url")
    @classmethod
    def _has_no_login(cls, value: str | None) -> str | None:
        # Every message that links to it would carry the password to whoever reads the channel.
        if value is not None and "@" in split_address(value).netloc:
            raise ValueError("has a login in it, which alerts would show: leave it out")
        return value
