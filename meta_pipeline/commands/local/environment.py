"""The environment of the processes we start: every setting said anew, none leaking in."""

from __future__ import annotations

import os
from collections.abc import Mapping

from meta_pipeline.settings import Settings

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
    values = {
        "META_ACCESS_TOKEN": settings.access_token and settings.access_token.get_secret_value(),
        "META_APP_SECRET": settings.app_secret and settings.app_secret.get_secret_value(),
        "META_APP_ID": settings.app_id,
        "META_GRAPH_URL": settings.graph_url,
        "META_API_VERSION": settings.api_version,
        "META_PIPELINE_DATA": settings.data_dir and str(settings.data_dir),
        "DATABASE_URL": database_url,
    }
    others = {
        str(next(iter(field.validation_alias.choices))): str(getattr(settings, name))  # type: ignore[union-attr]
        for name, field in Settings.model_fields.items()
        if isinstance(getattr(settings, name), int | float | str)
    }
    said = {name: str(value) for name, value in values.items() if value}
    return {**without_ours(), **others, **said}
