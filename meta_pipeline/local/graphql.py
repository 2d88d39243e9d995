"""What we ask of a running Dagster, over the same GraphQL its own UI uses."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import requests

ASSETS = ["campaigns", "adsets", "ads", "insights"]
# It answers in milliseconds, but not while its process is busy loading the definitions: beside much
# other work that was more than half a minute.
_TIMEOUT_SECONDS = 120

_LOCATION = """
query { workspaceOrError { ... on Workspace { locationEntries {
  name loadStatus locationOrLoadError { __typename ... on PythonError { message } } } } } }
"""
_RELOAD = """
mutation($name: String!) { reloadRepositoryLocation(repositoryLocationName: $name) { __typename } }
"""
_PARTITIONS = """
query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) {
  ... on AssetNode { partitionKeys } } }
"""
_LAUNCH = """
mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename
  ... on LaunchRunSuccess { run { runId } }
  ... on PythonError { message }
  ... on UnauthorizedError { message }
  ... on RunConfigValidationInvalid { errors { message } }
} }
"""
_RUNS = """
query($ids: [String]) { runsOrError(filter: {runIds: $ids}) {
  ... on Runs { results { runId status } } } }
"""
_SENSOR = """
query($selector: SensorSelector!) { sensorOrError(sensorSelector: $selector) {
  __typename ... on Sensor { sensorState { id status } } } }
"""
_LAST_TICK = """
query($selector: SensorSelector!) { sensorOrError(sensorSelector: $selector) {
  ... on Sensor { sensorState { status ticks(limit: 1) { status timestamp } } } } }
"""
_START_SENSOR = """
mutation($selector: SensorSelector!) { startSensor(sensorSelector: $selector) {
  __typename ... on PythonError { message } } }
"""
_STOP_SENSOR = """
mutation($id: String!) { stopSensor(id: $id) { __typename ... on PythonError { message } } }
"""
_BACKFILL = """
mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename
  ... on LaunchBackfillSuccess { backfillId }
  ... on PythonError { message }
} }
"""
FINISHED = {"SUCCESS", "FAILURE", "CANCELED"}


class DagsterApiError(Exception):
    """Dagster refused or did not understand what was asked; the message is its own."""


@dataclass(frozen=True)
class DagsterApi:
    """A webserver at `url` and the code location in it."""

    url: str
    location: str

    def is_ready(self) -> bool:
        """Whether the webserver answers and shows the location; asks it to look again if not."""
        try:
            entries = self._ask(_LOCATION)["workspaceOrError"]["locationEntries"]
        except (requests.RequestException, DagsterApiError, KeyError):
            return False
        for entry in entries:
            kind = (entry["locationOrLoadError"] or {}).get("__typename")
            if entry["name"] == self.location and kind == "RepositoryLocation":
                return True
        # It answers once the code is loaded, which on a busy machine may be later than we wait.
        with suppress(requests.RequestException, DagsterApiError):
            self._ask(_RELOAD, name=self.location)
        return False

    def partition_keys(self) -> list[str]:
        """The ad accounts, in the order they were added."""
        answer = self._ask(_PARTITIONS, key={"path": ["meta", "campaigns"]})
        return list(answer["assetNodeOrError"].get("partitionKeys") or [])

    def launch(self, job: str, tags: dict[str, str] | None = None) -> str:
        """Start a run of the job; returns its id. It is queued as a person's would be."""
        answer = self._ask(
            _LAUNCH,
            params={
                "selector": {
                    "repositoryName": "__repository__",
                    "repositoryLocationName": self.location,
                    "jobName": job,
                },
                "runConfigData": {},
                "executionMetadata": {
                    "tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]
                },
            },
        )["launchRun"]
        if answer["__typename"] != "LaunchRunSuccess":
            raise DagsterApiError(f"Dagster did not start {job}: {_why(answer)}")
        return str(answer["run"]["runId"])

    def launch_partitions(
        self, job: str, first: str, last: str, tags: dict[str, str] | None = None
    ) -> str:
        """Start one run for the partitions from `first` to `last`, in the order they were added."""
        return self.launch(
            job,
            {
                **(tags or {}),
                "dagster/asset_partition_range_start": first,
                "dagster/asset_partition_range_end": last,
            },
        )

    def backfill(self, account_ids: Sequence[str], assets: Sequence[str] = ASSETS) -> str:
        """Materialize the accounts' partitions, as a person does who selects them; its id."""
        params = {
            "assetSelection": [{"path": ["meta", name]} for name in assets],
            "partitionNames": list(account_ids),
        }
        answer = self._ask(_BACKFILL, params=params)["launchPartitionBackfill"]
        if answer["__typename"] != "LaunchBackfillSuccess":
            raise DagsterApiError(f"Dagster did not start the backfill: {_why(answer)}")
        return str(answer["backfillId"])

    def start_sensor(self, name: str) -> None:
        """Let the sensor tick, whatever it did before."""
        self._ask(_START_SENSOR, selector=self._sensor(name))

    def stop_sensor(self, name: str) -> None:
        """Let the sensor rest until somebody starts it."""
        sensor = self._ask(_SENSOR, selector=self._sensor(name))["sensorOrError"]
        if sensor["__typename"] != "Sensor":
            raise DagsterApiError(f"Dagster has no sensor {name}")
        self._ask(_STOP_SENSOR, id=sensor["sensorState"]["id"])

    def has_ticked(self, name: str, since: float) -> bool:
        """Whether the sensor looked after that moment (Unix seconds), or somebody stopped it."""
        sensor = self._ask(_LAST_TICK, selector=self._sensor(name))["sensorOrError"]
        state = sensor.get("sensorState") or {"status": "STOPPED"}
        return state["status"] == "STOPPED" or any(
            tick["timestamp"] >= since and tick["status"] != "STARTED" for tick in state["ticks"]
        )

    def _sensor(self, name: str) -> dict[str, str]:
        return {
            "repositoryName": "__repository__",
            "repositoryLocationName": self.location,
            "sensorName": name,
        }

    def statuses(self, run_ids: Sequence[str]) -> dict[str, str]:
        """The runs' statuses by id."""
        runs = self._ask(_RUNS, ids=list(run_ids))["runsOrError"].get("results", [])
        return {run["runId"]: run["status"] for run in runs}

    def run_url(self, run_id: str) -> str:
        return f"{self.url}/runs/{run_id}"

    def _ask(self, query: str, **variables: Any) -> dict[str, Any]:
        with requests.Session() as session:
            # It is on this machine: a proxy of the network has no business with it.
            session.trust_env = False
            response = session.post(
                f"{self.url}/graphql",
                json={"query": query, "variables": variables},
                timeout=_TIMEOUT_SECONDS,
            )
        response.raise_for_status()
        body = response.json()
        if errors := body.get("errors"):
            raise DagsterApiError("; ".join(str(error.get("message")) for error in errors))
        return dict(body["data"])


def _why(answer: dict[str, Any]) -> str:
    errors = answer.get("errors") or []
    said = "; ".join(str(error["message"]) for error in errors) or str(answer.get("message") or "")
    return said or str(answer["__typename"])
