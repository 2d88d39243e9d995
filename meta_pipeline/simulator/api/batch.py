"""Several requests in one: `POST /` with `batch`, and `?ids=` (FACTS sections 4.6 and 7)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from meta_pipeline.simulator.api import errors, requests
from meta_pipeline.simulator.api.calls import Answer, document
from meta_pipeline.simulator.api.requests import GraphRequest

if TYPE_CHECKING:
    from meta_pipeline.simulator.server.service import Outcome

MAX_OPERATIONS = 50
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

Handle = Callable[..., "Outcome"]


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
    needed = {match[1] for match in _REFERENCE.finditer(str(operations))}
    return [_operation(request, operation, needed, results, handle) for operation in operations]


def _operation(
    outer: GraphRequest,
    operation: Any,
    needed: Collection[str],
    results: dict[str, Any],
    handle: Handle,
) -> Any:
    if not isinstance(operation, Mapping) or "relative_url" not in operation:
        raise errors.GraphError(
            "Each batch operation needs a relative_url", code=100, type="GraphBatchException"
        )
    try:
        target = _resolved(str(operation["relative_url"]), results)
        body = _resolved(str(operation.get("body", "")), results)
    except KeyError:
        return None  # what it depends on failed
    answer = handle(_inner(outer, operation, target, body), in_batch=True).answer
    name = operation.get("name")
    if name:
        results[str(name)] = orjson.loads(answer.body) if answer.status == 200 else None
        # What another operation uses is not shown as well, unless that is asked for.
        omitted = operation.get("omit_response_on_success", name in needed)
        if omitted and answer.status == 200:
            return None
    return _entry(outer, answer)


def _inner(
    outer: GraphRequest, operation: Mapping[str, Any], target: str, body: str
) -> GraphRequest:
    headers = {
        str(header["name"]).lower(): str(header["value"]) for header in operation.get("headers", [])
    }
    path = target if target.startswith("/") else f"/{target}"
    inner = requests.parse(
        str(operation.get("method", "GET")),
        path,
        headers=headers,
        body=body.encode(),
        base_url=outer.base_url,
    )
    kept = {
        key: outer.params[key] for key in ("access_token", "appsecret_proof") if key in outer.params
    }
    if "access_token" not in kept and outer.token:
        kept["access_token"] = outer.token
    if "access_token" in inner.params:
        kept = {}
    return GraphRequest(
        inner.method,
        inner.version or outer.version,
        inner.path,
        {**kept, **inner.params},
        headers,
        outer.base_url,
        inner.method_override,
    )


def _resolved(text: str, results: Mapping[str, Any]) -> str:
    return _REFERENCE.sub(lambda match: quote(_select(results, match[1], match[2]), safe=","), text)


def _select(results: Mapping[str, Any], name: str, path: str) -> str:
    """A little JSONPath: `.id`, `.data[0].id`, `.data.*.id`."""
    found = [results[name]]
    for match in _STEP.finditer(path):
        part = match[1] or match[2]
        found = [value for item in found for value in _step(item, part)]
    if not found:
        raise KeyError(path)
    return ",".join(map(str, found))


def _step(item: Any, part: str) -> list[Any]:
    if isinstance(item, list):
        return item if part == "*" else [item[int(part)]] if part.isdigit() else []
    return [item[part]] if isinstance(item, Mapping) and part in item else []


def _entry(outer: GraphRequest, answer: Answer) -> dict[str, Any]:
    entry: dict[str, Any] = {"code": answer.status}
    if outer.params.get("include_headers") is not False:
        headers = {**answer.all_headers(), "content-type": "text/javascript; charset=UTF-8"}
        entry["headers"] = [
            {"name": _NAMES.get(name, name), "value": value} for name, value in headers.items()
        ]
    entry["body"] = answer.body.decode()
    return entry


def by_ids(request: GraphRequest, handle: Handle) -> Answer:
    """`GET /?ids=1,2`: one document by id; one bad id fails the whole call."""
    ids = request.words("ids")
    if len(ids) > MAX_IDS:
        raise errors.invalid_parameter(
            f"Too many IDs. Maximum: {MAX_IDS}. Provided: {len(ids)}.", blame="ids"
        )
    params = {key: value for key, value in request.params.items() if key != "ids"}
    found: dict[str, Any] = {}
    rows = 0
    headers: dict[str, str] = {}
    for object_id in ids:
        answer = handle(
            GraphRequest(
                request.method,
                request.version,
                (object_id,),
                params,
                request.headers,
                request.base_url,
            ),
            in_batch=True,
        ).answer
        if answer.status != 200:
            return answer
        found[object_id] = orjson.loads(answer.body)
        rows, headers = rows + answer.rows, dict(answer.headers)
    headers.pop("etag", None)
    return Answer(200, document(found), headers, rows)
