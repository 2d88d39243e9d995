"""The environment of a code server and of a run: no secret in it.

Dagster asks the `secrets` of dagster.yaml before it loads any code, in the code server and in each
run. Its own loader reads `.env` into the environment there; this one takes secrets out of it
instead, for Dagsters that were not started by `meta-pipeline`. Settings read `.env` by themselves.
"""

# Dagster builds it from dagster.yaml by module and class.
from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from meta_pipeline.settings.secret_files import concealed, private_folder

from .dagster_internals import ConfigurableClass, ConfigurableClassData, SecretsLoader, Shape


class PrivateEnvironment(SecretsLoader, ConfigurableClass):
    """Moves what is secret into files that the processes started from here can read."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> Shape:
        return Shape({})  # type: ignore[no-untyped-call]

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> Self:
        return cls(inst_data)

    def get_secrets_for_environment(self, location_name: str | None) -> dict[str, str]:
        """Nothing to add; what is there and secret is out of `os.environ` afterwards."""
        home = os.environ.get("DAGSTER_HOME")
        given = dict(os.environ)
        kept = concealed(given, private_folder(Path(home) if home else None))
        for name in given.keys() - kept.keys():
            del os.environ[name]
        return {name: value for name, value in kept.items() if given.get(name) != value}
