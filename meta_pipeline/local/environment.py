"""The environment of the processes we start: every setting said anew, none leaking in."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pydantic import AliasChoices, SecretStr

from meta_pipeline.settings import Settings

# Somebody's DAGSTER_HOME would lead our Dagster to their runs.
_OURS = ("META_", "DAGSTER_")


def without_ours(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without any setting of this package or of Dagster."""
    given = os.environ if environment is None else environment
    return {
        name: value
        for name, value in given.items()
        if not name.startswith(_OURS) and name not in ("DATABASE_URL", "DATABASE_URL_FILE")
    }


def of_settings(settings: Settings, database_url: str) -> dict[str, str]:
    """The caller's environment with every setting said, whichever file it came from."""
    return {**without_ours(), **variables(settings), "DATABASE_URL": database_url}


def variables(settings: Settings) -> dict[str, str]:
    """Each setting that has a value, by the name of its variable."""
    values = {}
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        if value is not None and text and isinstance(field.validation_alias, AliasChoices):
            values[str(field.validation_alias.choices[0])] = text
    return values
