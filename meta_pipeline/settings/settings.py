"""All settings together: how they are read, and what is said when one is missing or wrong."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import AliasChoices, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from meta_pipeline.credentials import TRUSTED_URL, checked_graph_url, cleaned_token, version_in
from meta_pipeline.model.subject import as_subject

from .advice import AdviceSettings
from .alerts import AlertSettings
from .chosen import Chosen
from .connection import META_GRAPH_URL, ConnectionSettings
from .exporting import ExportSettings
from .limits import LimitSettings
from .logs import LogSettings
from .reading import ReadingSettings, breakdown_tables
from .reporting import ReportSettings
from .retention import RetentionSettings
from .rotation import RotationSettings
from .web import WebSettings

_ENCODING = "utf-8-sig"  # with or without the byte order mark that some editors write
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
_A_PATH = re.compile(r"(/[\w.@ -]+){2,}")
"""Such as /run/secrets/token; no URL, token or key looks like it."""


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it and says where it was looked for."""


class Settings(
    AdviceSettings,
    AlertSettings,
    LogSettings,
    WebSettings,
    ReportSettings,
    ExportSettings,
    RetentionSettings,
    LimitSettings,
    RotationSettings,
    ReadingSettings,
    ConnectionSettings,
):
    """The settings of one process, from the environment and `.env`.

    Values of the environment win over `.env`. A variable may also be given as a file:
    `META_ACCESS_TOKEN_FILE=/run/secrets/token` is read where `META_ACCESS_TOKEN` is not set.
    """

    model_config = SettingsConfigDict(
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
        defer_build=False,  # the parts above wait: building each of them too doubles a start
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What `load` found, under the very name of each variable, and nothing else.

        pydantic's own sources take any case and the fields' names too: ACCESS_TOKEN of another
        program would be sent to Meta, and what looks for a variable by its name, to refuse it in a
        `.env` or to keep it from a run, would not see `meta_trusted_graph_url`.
        """
        return (init_settings,)

    @field_validator("access_token", mode="before")
    @classmethod
    def _token_alone(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return cleaned_token(value)
        except ValueError as error:
            raise ValueError(str(error).removeprefix("META_ACCESS_TOKEN ")) from None

    @field_validator(
        "app_id", "app_secret", "app_secret_previous", "login_config_id", mode="before"
    )
    @classmethod
    def _without_space(cls, value: Any) -> Any:
        return value.strip().strip("\ufeff\u200b\"'") if isinstance(value, str) else value

    @field_validator("graph_url")
    @classmethod
    def _goes_to_meta(cls, value: str, info: ValidationInfo) -> str:
        """The token is sent to Meta, to this machine, or to a host that the environment names."""
        if "://" not in value:
            raise ValueError(f"is not a URL such as {META_GRAPH_URL}")
        origin = checked_graph_url(value, trusted_url=info.data.get("trusted_graph_url"))
        asked, version = version_in(value), info.data.get("api_version")
        if asked is not None and version is not None and asked != version:
            raise ValueError(
                f"ends in {asked}, but META_API_VERSION is {version}: leave the version out of "
                "the URL and set it there"
            )
        return origin

    @field_validator("*")
    @classmethod
    def _from_here(cls, value: Any) -> Any:
        """A path is one from the working directory of whoever wrote it: others run elsewhere."""
        if not isinstance(value, Path):
            return value
        try:
            return value.expanduser().absolute()
        except RuntimeError:
            raise ValueError("begins with ~ for a home that is not known here") from None

    @property
    def is_simulated(self) -> bool:
        """Whether the Graph API asked is not Meta's own."""
        return urlsplit(self.graph_url).hostname != urlsplit(META_GRAPH_URL).hostname

    @property
    def insights_levels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.insights_levels_text.split(",")))

    @property
    def insights_columns(self) -> tuple[str, ...]:
        return _names(self.insights_columns_text, ",")

    @property
    def attribution_window_names(self) -> tuple[str, ...]:
        return _names(self.attribution_windows, ",")

    @property
    def breakdowns(self) -> tuple[tuple[str, ...], ...]:
        """One tuple of breakdown names for each breakdown table."""
        return breakdown_tables(self.breakdowns_text)

    @property
    def breakdown_accounts(self) -> Chosen:
        """None while META_BREAKDOWNS names no table."""
        return Chosen.parse(self.breakdown_accounts_text) if self.breakdowns else Chosen()

    @property
    def hourly_accounts(self) -> Chosen:
        return Chosen.parse(self.hourly_accounts_text)

    @property
    def creative_accounts(self) -> Chosen:
        return Chosen.parse(self.creative_accounts_text)

    @property
    def activity_accounts(self) -> Chosen:
        return Chosen.parse(self.activity_accounts_text)

    @property
    def recommendation_accounts(self) -> Chosen:
        return Chosen.parse(self.recommendation_accounts_text)

    @property
    def custom_conversion_accounts(self) -> Chosen:
        return Chosen.parse(self.custom_conversion_accounts_text)

    @property
    def custom_audience_accounts(self) -> Chosen:
        return Chosen.parse(self.custom_audience_accounts_text)

    @property
    def image_accounts(self) -> Chosen:
        return Chosen.parse(self.image_accounts_text)

    @property
    def alert_recipients(self) -> tuple[str, ...]:
        return _names(self.alert_email_to, ",")

    @property
    def dagster_host_names(self) -> tuple[str, ...]:
        return _names(self.dagster_hosts, ",")

    @property
    def web_admin_names(self) -> frozenset[str]:
        return frozenset(as_subject(name) for name in _names(self.web_admins, ","))

    @property
    def web_proxies(self) -> tuple[str, ...]:
        """Addresses and networks of the reverse proxies whose word is taken."""
        return _names(self.web_proxy_addresses, ",")

    @property
    def included(self) -> frozenset[str]:
        return frozenset(_names(self.include_accounts, ","))

    @property
    def excluded(self) -> frozenset[str]:
        return frozenset(_names(self.exclude_accounts, ","))

    def leaves_out(self, account_id: str) -> bool:
        """Whether META_INCLUDE_ACCOUNTS or META_EXCLUDE_ACCOUNTS leave the account out of syncs."""
        return account_id in self.excluded or (
            bool(self.included) and account_id not in self.included
        )

    def require_database_url(self) -> str:
        """The database of the settings, or a SettingsError that says how to set it."""
        if self.database_url is None:
            raise SettingsError(_missing("DATABASE_URL", "the Postgres to use"))
        return self.database_url.get_secret_value()

    def require_dagster_database_url(self) -> str:
        """The database of Dagster's own tables: DAGSTER_PG_URL, else that of DATABASE_URL."""
        if self.dagster_database_url is not None:
            return self.dagster_database_url.get_secret_value()
        return self.require_database_url()

    def require_token(self) -> str:
        """The access token, or a SettingsError that says how to set it."""
        if self.access_token is None:
            raise SettingsError(_missing("META_ACCESS_TOKEN", "a Meta access token with ads_read"))
        return self.access_token.get_secret_value()

    @classmethod
    def of_process(cls, environment: Mapping[str, str]) -> Self:
        """The settings a process has that is started in `environment`, which we made."""
        found: Mapping[str, Any] = _found(None, environment)
        return cls(**found)

    @classmethod
    def load(cls, env_file: Path | str | None = ".env", **overrides: Any) -> Self:
        """Read the settings; a wrong one is named in one sentence (SettingsError)."""
        try:
            variables = _by_variable()
            given = {variables.get(name, name): value for name, value in overrides.items()}
            return cls(**{**_found(env_file, os.environ), **given})
        except ValidationError as error:
            # One sentence per wrong setting; the value itself is left out: it may be a secret.
            sentences = []
            for problem in error.errors(include_input=False, include_url=False):
                name = str(problem["loc"][0]) if problem["loc"] else "settings"
                field = Settings.model_fields.get(name)
                if field is not None and isinstance(field.validation_alias, AliasChoices):
                    name = str(field.validation_alias.choices[0])
                message = problem["msg"].removeprefix("Value error, ")
                sentences.append(f"{name} {message[0].lower()}{message[1:]}.")
            looked = f"Looked in: the environment, *_FILE variables, {Path('.env').absolute()}."
            raise SettingsError(
                " ".join([*sentences, looked, ".env.example explains every setting."])
            ) from None
        except UnicodeDecodeError:
            raise SettingsError(f"{env_file} is not UTF-8 text: save it again as UTF-8.") from None


def _found(env_file: Path | str | None, environment: Mapping[str, str]) -> dict[str, str]:
    """Every variable that has a value: of the environment, of a `*_FILE`, else of `.env`.

    What is empty is not set: compose files write it so.
    """
    written = _written(env_file)
    found = {}
    for name in variable_names():
        path = environment.get(f"{name}_FILE")
        value = environment.get(name) or (path and content_of(f"{name}_FILE", path))
        if value := value or written.get(name):
            found[name] = value
    return found


def _written(env_file: Path | str | None) -> Mapping[str, str | None]:
    """What stands in the file; nothing where there is none.

    A file that lies in the working directory must not say where else the token may go. Some
    programs export `.env` before we start: what it names is refused even then.
    """
    path = None if env_file is None else Path(env_file)
    # A password manager may serve it as a FIFO, which is read once.
    if path is None or not (path.is_file() or path.is_fifo()):
        return {}
    # Nor what it holds: ${META_ACCESS_TOKEN} in an address would be sent to its host.
    written = dotenv_values(path, encoding=_ENCODING, interpolate=False)
    if written.get(TRUSTED_URL):
        raise SettingsError(
            f"{TRUSTED_URL} stands in {path.absolute()}, where it is not heeded: it "
            "says where the access token may be sent. Set it in the environment of the process."
        )
    return written


def variable_names() -> tuple[str, ...]:
    """The variable of every setting: the one list that files, containers and pages follow."""
    return tuple(_by_variable().values())


def _by_variable() -> Mapping[str, str]:
    """The variable of each field."""
    aliases = {name: field.validation_alias for name, field in Settings.model_fields.items()}
    return {
        name: str(alias.choices[0])
        for name, alias in aliases.items()
        if isinstance(alias, AliasChoices)
    }


def content_of(variable: str, path: str) -> str:
    """What the file holds that a `*_FILE` variable names: how containers give secrets.

    SettingsError says why there is nothing, and repeats the path only where it is one: a secret is
    easily put there itself.
    """
    try:
        text = Path(path).expanduser().read_text(encoding=_ENCODING).strip()
    except UnicodeDecodeError:
        reason = "is not UTF-8 text: save it again as UTF-8"
    except OSError as error:
        if error.errno in _NO_FILE and not _A_PATH.fullmatch(path):
            raise _no_path(variable) from None
        reason = f"cannot be read: {error.strerror}"
    except (ValueError, RuntimeError):  # the latter of a home that is not known
        raise _no_path(variable) from None
    else:
        if text:
            return text
        reason = "is empty"
    raise SettingsError(f"{variable} points to {path}, which {reason}.")


def _no_path(variable: str) -> SettingsError:
    return SettingsError(
        f"{variable} is not the path of a file. The value itself goes into "
        f"{variable.removesuffix('_FILE')}."
    )


def _names(text: str, separator: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(separator) if name.strip())


def _missing(name: str, meaning: str) -> str:
    return (
        f"{name} is not set ({meaning}). Looked in: the environment, {name}_FILE, "
        f"{Path('.env').absolute()}. Set it there; .env.example explains every setting. "
        "To try everything without Meta: meta-pipeline demo."
    )


@lru_cache(maxsize=1)
def current() -> Settings:
    """The settings of this process, read once."""
    return Settings.load()
