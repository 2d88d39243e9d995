"""Where these definitions are, a Dagster of our own or somebody's, and what they are called there.

A code location has one place, as it has one database: it is taken before the first definition is
made, by `MetaAds` or by `meta_pipeline.definitions`, and every process that loads the location
takes the same again. So names are constants to whoever reads the definitions.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from meta_pipeline.settings import Settings, SettingsError

OWN_POOL = "meta_api"


class PlaceTaken(Exception):
    """A second, different MetaAds in one code location."""


@dataclass(frozen=True)
class Place:
    """How everything is called in Dagster, and whose Dagster it is."""

    key_prefix: tuple[str, ...] = ("meta",)
    """Before the key of every asset."""
    prefix: str = ""
    """Before the names of jobs, sensors, schedules, steps and resources."""
    group: str | None = None
    """One group for all assets; None: ours, by what they are."""
    owners: tuple[str, ...] = ("team:marketing-data",)
    tags: Mapping[str, str] = field(default_factory=dict)
    """Of all assets, beside our own."""
    partitions: str = "ad_account"
    """Name of the dynamic partitions, an ad account each."""
    pool: str = OWN_POOL
    """Pool of the steps that ask Meta."""
    is_own: bool = True
    """Whether Dagster's instance is ours alone: then its history is cleaned up, its failures
    are told, its connections are held."""
    is_running: bool = True
    """Whether sensors and schedules run without being started by hand."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """By field name; they go before those of the environment."""
    database_url_env: str = "DATABASE_URL"
    """The variable that holds the URL of the Postgres of the ads."""
    automation_condition: dg.AutomationCondition[dg.AssetKey] | None = None
    """Of every asset that is a table."""
    hooks: Set[dg.HookDefinition] = frozenset()
    """On every job."""

    def key(self, name: str) -> dg.AssetKey:
        """The asset of this name."""
        return dg.AssetKey([*self.key_prefix, name])

    def named(self, name: str) -> str:
        """A job, sensor, schedule, step or resource of this name."""
        return f"{self.prefix}{name}"

    def group_of(self, name: str) -> str:
        """The group of assets: one for all where somebody chose one."""
        return self.group or name

    def is_ours(self, name: str) -> bool:
        """Whether a job, sensor or schedule is of these definitions, by its name."""
        return self.is_own or name.startswith(self.prefix)

    def has(self, run: dg.DagsterRun) -> bool:
        """Whether a run brings any of our assets, whoever started it."""
        if self.is_ours(run.job_name):
            return True
        beginning = list(self.key_prefix)
        chosen = run.asset_selection or ()
        return any(key.path[:-1] == beginning for key in chosen)

    def load_settings(self, **given: Any) -> Settings:
        """The settings of this process, as this place has them."""
        values: dict[str, Any] = {**self.settings, **given}
        if self.database_url_env != "DATABASE_URL" and "database_url" not in given:
            url = os.environ.get(self.database_url_env)
            if not url:
                raise SettingsError(
                    f"{self.database_url_env} is not set: the Postgres of the ads, which MetaAds "
                    "was told to find there."
                )
            values["database_url"] = url
        return Settings.load(**values)

    @property
    def sensor_status(self) -> dg.DefaultSensorStatus:
        """Whether sensors run without being started."""
        status = dg.DefaultSensorStatus
        return status.RUNNING if self.is_running else status.STOPPED

    @property
    def schedule_status(self) -> dg.DefaultScheduleStatus:
        """Whether schedules run without being started."""
        status = dg.DefaultScheduleStatus
        return status.RUNNING if self.is_running else status.STOPPED


# Of the process: definitions are made while modules are imported, before anybody could hand it on.
_taken: list[Place] = []


def take(place: Place) -> None:
    """Be in this place from now on; PlaceTaken where the process is in another one."""
    if _taken and _taken[0] != place:
        raise PlaceTaken(
            "This code location has a MetaAds already, with other options: it keeps one database. "
            "For a second one make a second code location; or give both the same options."
        )
    _taken[:] = [place]


def here() -> Place:
    """The place that was taken; a Dagster of our own where none was."""
    if not _taken:
        take(Place())
    return _taken[0]
