"""Several requests in one: `POST /` with `batch`, and `?ids=` (FACTS sections 4.6 and 7)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import orjson

from meta_pipeline.simulator.api import errors, requests
from meta_pipeline.simulator.api.calls import GraphAnswer, document
from meta_pipeline.simulator.api.requests import GraphRequest

# Meta's limit; each operation counts as a call of its own (FACTS section 7).
MAX_OPERATIONS = 50
# Of one `?ids=` request (FACTS section 4.6).
MAX_IDS = 50
_REFERENCE = re.compile(r"\{result=(\w+):\$([^}]*)\}")
_STEP = re.compile(r"\.?(\w+|\*)|\[(\d+|\*)\]")
# As Meta writes them inside a batch; everything else keeps its lower case.
_NAMES = {
    "content-type": "Content-Type",
    "facebook-api-version": "Facebook-API-Version",
    "etag": "ETag",
    "x-business-use-case-usage": "X-Business-Use-Case-Usage",
    "x-fb-ads-insights-throttle": "X-FB-Ads-Insights-Throttle",
    "x-app-usage": "X-App-Usage",
    "x-ad-account-usage": "X-Ad-Account-Usage",
    "www-authenticate": "WWW-Authenticate",
}

Handle = Callable[[GraphRequest], GraphAnswer]
"""Answers one request of several."""


def is_batch(request: GraphRequest) -> bool:
    return request.method == "POST" and not request.path and "batch" in request.params


def run(request: GraphRequest, handle: Handle) -> list[Any]:
    """The list of answers in request order; operations a dependent one needs come first."""
    operations = request.params["batch"]
    if not isinstance(operations, list) or not operations:
        raise errors.GraphError(
            "batch parameter must be a JSON array", code=100, type="GraphBatchException"
        )
    if len(operations) > MAX_OPERATIONS:
        raise errors.batch_too_large()
    if request.token is None:
        raise errors.missing_token()
    results: dict[str, Any] = {}
    used = {match[1] for match in _REFERENCE.finditer(str(operations))}
    entries: list[Any] = []
    for operation in operations:
        inner = _inner(request, operation, results)
        if inner is None:
            entries.append(None)  # what it depends on failed
            continue
        answer = handle(inner)
        name = operation.get("name")
        # What another operation uses is not shown as well, unless that is asked for.
        omitted = bool(name) and operation.get("omit_response_on_success", name in used)
        if name:
            results[str(name)] = orjson.loads(answer.body) if answer.status == 200 else None
        is_hidden = omitted and answer.status == 200
        entries.append(None if is_hidden else _entry(request, answer))
    return entries


def _inner(outer: GraphRequest, operation: Any, results: Mapping[str, Any]) -> GraphRequest | None:
    """An operation as a request of its own; None when a result that it uses is not there."""
    if not isinstance(operation, Mapping) or "relative_url" not in operation:
        raise errors.GraphError(
            "Each batch operation needs a relative_url", code=100, type="GraphBatchException"
        )
    try:
        target = _resolved(str(operation["relative_url"]), results)
        body = _resolved(str(operation.get("body", "")), results)
    except KeyError:
        return None
    headers = {
        str(header["name"]).lower(): str(header["value"]) for header in operation.get("headers", [])
    }
    inner = requests.parse(
        str(operation.get("method", "GET")),
        target if target.startswith("/") else f"/{target}",
        headers=headers,
        body=body.encode(),
        base_url=outer.base_url,
    )
    # An operation may come with a token of its own; else it has the batch's, and its proof.
    envelope = {key: outer.params[key] for key in ("appsecret_proof",) if key in outer.params}
    if outer.token:
        envelope["access_token"] = outer.token
    if "access_token" in inner.params:
        envelope = {}
    params = {**envelope, **inner.params}
    return replace(inner, version=inner.version or outer.version, params=params)


def _resolved(text: str, results: Mapping[str, Any]) -> str:
    """`{result=name:$.path}` replaced by what a little JSONPath finds: `.id`, `.data.*.id`."""

    def select(match: re.Match[str]) -> str:
        values = [results[match[1]]]
        for step in _STEP.finditer(match[2]):
            part = step[1] or step[2]
            values = [value for item in values for value in _children(item, part)]
        if not values:
            raise KeyError(match[2])
        return quote(",".join(map(str, values)), safe=",")

    return _REFERENCE.sub(select, text)


def _children(item: Any, part: str) -> list[Any]:
    if isinstance(item, list):
        return item if part == "*" else [item[int(part)]] if part.isdigit() else []
    return [item[part]] if isinstance(item, Mapping) and part in item else []


def _entry(outer: GraphRequest, answer: GraphAnswer) -> dict[str, Any]:
    entry: dict[str, Any] = {"code": answer.status}
    if outer.params.get("include_headers") is not False:
        headers = {**answer.all_headers(), "content-type": "text/javascript; charset=UTF-8"}
        entry["headers"] = [
            {"name": _NAMES.get(name, name), "value": value} for name, value in headers.items()
        ]
    # The body is text, so what is JSON inside is escaped twice, as at Meta.
    entry["body"] = answer.body.decode()
    return entry


def by_ids(request: GraphRequest, handle: Handle) -> GraphAnswer:
    """`GET /?ids=1,2`: one document by id; one bad id fails the whole call."""
    ids = request.words("ids")
    if len(ids) > MAX_IDS:
        raise errors.invalid_parameter(
            f"Too many IDs. Maximum: {MAX_IDS}. Provided: {len(ids)}.", blame="ids"
        )
    params = {key: value for key, value in request.params.items() if key != "ids"}
    documents: dict[str, Any] = {}
    rows = 0
    headers: dict[str, str] = {}
    for object_id in ids:
        answer = handle(replace(request, path=(object_id,), params=params, method_override=False))
        if answer.status != 200:
            return answer
        documents[object_id] = orjson.loads(answer.body)
        rows, headers = rows + answer.rows, dict(answer.headers)
    headers.pop("etag", None)
    return GraphAnswer(200, document(documents), headers, rows)
