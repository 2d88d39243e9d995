"""Where Meta and Postgres are, and who asks."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings

from meta_pipeline.credentials import META_HOST

META_GRAPH_URL = f"https://{META_HOST}"


class ConnectionSettings(BaseSettings, defer_build=True, hide_input_in_errors=True):
    """The token, the hosts, the folder."""

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
    app_secret_previous: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("META_APP_SECRET_PREVIOUS"),
        description="The app secret before the last reset: what Meta signed with it is still taken",
    )
    login_config_id: str | None = Field(
        None,
        validation_alias=AliasChoices("META_LOGIN_CONFIG_ID"),
        pattern=r"^[0-9]{1,30}$",
        description="Configuration of Facebook Login for Business to connect with; else scopes",
    )
    login_scopes: str = Field(
        "ads_read",
        validation_alias=AliasChoices("META_LOGIN_SCOPES"),
        description="Scopes to connect with, by comma, where no configuration is set",
    )
    # One for ever: Meta compares the address byte by byte with the one that was registered, and
    # takes plain http from localhost only (FACTS section 9).
    login_port: int = Field(
        8460,
        ge=1,
        le=65_535,
        validation_alias=AliasChoices("META_LOGIN_PORT"),
        description="Port of http://localhost that `connections connect` is led back to",
    )
    token_keys: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("META_TOKEN_KEYS"),
        description="Keys that seal stored tokens, id:key,...: the first seals, all open",
    )
    # Not the newest: the SDK, which our tables of fields are compared with, is of v26.
    api_version: str = Field(
        "v26.0",
        validation_alias=AliasChoices("META_API_VERSION"),
        pattern=r"^v\d+\.\d+$",
        description="Marketing API version",
    )
    trusted_graph_url: str | None = Field(
        None,
        validation_alias=AliasChoices("META_TRUSTED_GRAPH_URL"),
        description="The one other host, or plain http, that may get the token; not in .env",
    )
    # After the version and the trusted host: a validator is given what stands before its field.
    graph_url: str = Field(
        META_GRAPH_URL,
        validation_alias=AliasChoices("META_GRAPH_URL"),
        description="Host of the Graph API; anything but Meta's marks the data as simulated",
    )
    call_deadline_seconds: float = Field(
        180,
        gt=0,
        validation_alias=AliasChoices("META_CALL_DEADLINE_SECONDS"),
        description="Seconds after which a call is given up, however much of its answer came",
    )
    max_answer_mb: float = Field(
        64,
        gt=0,
        validation_alias=AliasChoices("META_MAX_ANSWER_MB"),
        description="Megabytes of one answer, on the wire or unpacked; less is asked for beyond",
    )
    database_url: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("DATABASE_URL"),
        description="Postgres to use; without it an embedded server is started",
    )
    dagster_database_url: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("DAGSTER_PG_URL"),
        description="Postgres of Dagster's own tables, where DATABASE_URL is a connection pooler",
    )
    data_dir: Path | None = Field(
        None,
        validation_alias=AliasChoices("META_PIPELINE_DATA"),
        description="Folder of the embedded server and of Dagster's files",
    )

    @property
    def login_scope_names(self) -> tuple[str, ...]:
        """What classic scopes are asked for, each once."""
        names = (one.strip() for one in self.login_scopes.split(","))
        return tuple(dict.fromkeys(filter(None, names)))
