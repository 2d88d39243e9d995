"""The MCP server, asked by the official client: in memory, over stdio, over HTTP."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest
import uvicorn
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from meta_pipeline import metrics
from meta_pipeline.concurrency import MOST, FairLimiter
from meta_pipeline.copilot.server import Admits, http_application, mcp_server
from meta_pipeline.copilot.server.application import MAX_BODY_BYTES
from meta_pipeline.local.ports import answers
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.connect import Patience
from meta_pipeline.web.access.api_keys import Scope, new_key
from meta_pipeline_tests.waiting import PATIENCE_SECONDS, wait_until
from meta_pipeline_tests.web.unread import bodiless, noted, unread

from .conftest import HOSTILE, Place
from .goldens import E, N

KEY = "k" * 64
DAYS = {"since": "2026-11-09", "until": "2026-11-15"}
CALLS: dict[str, dict[str, Any]] = {
    "list_accounts": {},
    "list_metrics": {"search": "lead"},
    "describe_metric": {"metric": "cpl"},
    "query_metrics": {"metrics": ["spend", "cpl"], "accounts": [N], "level": "campaign", **DAYS},
    "compare_periods": {"metrics": ["spend"], "accounts": [N], "by": ["campaign"], **DAYS},
    "explain_change": {"metric": "cpl", "accounts": [N], **DAYS},
    "entity_timeline": {"entity": N, "with_below": True},
    "data_health": {"accounts": [N, E]},
    "advice": {"accounts": [N], "include_settled": True},
    "meta_recommendations": {"accounts": [N]},
    "ask": {"question": "spend by campaign since 9 November 2026 for nordwind"},
}

DATED = {
    "query_metrics": ("since",),
    "compare_periods": ("since", "before_since"),
    "explain_change": ("since", "before_since"),
    "entity_timeline": ("since",),
}
"""Tools that take days, by the names of the first of them."""

Ask = Callable[[Client], Awaitable[Any]]


def in_memory(place: Place, asked: Ask) -> Any:
    async def run() -> Any:
        server = mcp_server(lambda _: place.warehouse, lambda: place.now)
        async with Client(server) as client:
            return await asked(client)

    return asyncio.run(run())


async def every_tool(client: Client) -> dict[str, Any]:
    """Each tool called once; what it answered, as its schema has it."""
    listed = await client.list_tools()
    assert {tool.name for tool in listed.tools} == CALLS.keys()
    found = {}
    for tool in listed.tools:
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint
        assert tool.output_schema is not None
        result = await client.call_tool(tool.name, CALLS[tool.name])
        assert not result.is_error, (tool.name, result.content)
        assert result.structured_content is not None
        found[tool.name] = result.structured_content
    return found


def check(place: Place, found: dict[str, Any]) -> None:
    """The answers are those of the metric layer, with all that says what they are."""
    assert {one["outcome"] for one in found.values()} == {"answered"}
    assert [row["account_id"] for row in found["list_accounts"]["rows"]] == [N, E]
    assert "cpl" in {row["metric"] for row in found["list_metrics"]["rows"]}
    assert found["describe_metric"]["rows"][0]["formula"] == "sum(spend) / sum(leads)"
    frame = metrics.query(
        place.warehouse,
        account=N,
        metrics=["spend", "cpl"],
        level="campaign",
        date_range=(date(2026, 11, 9), date(2026, 11, 15)),
    )
    asked = found["query_metrics"]
    assert [row["spend"] for row in asked["rows"]] == frame["spend"].tolist()
    about = asked["provenance"]
    assert (about["since"], about["until"]) == (DAYS["since"], DAYS["until"])
    assert (about["currency"], about["timezone"]) == ("EUR", "Europe/Berlin")
    assert about["data_as_of"]
    assert about["settling_days"].keys() == {N}
    assert about["reconciliation"]["days_by_status"]
    assert about["sql"][0].startswith("SELECT")
    assert about["is_simulated"]
    change = found["explain_change"]
    assert change["asked"]["change"]
    assert found["data_health"]["row_count"] == 2


def test_every_tool_in_memory(place: Place) -> None:
    check(place, in_memory(place, every_tool))


def test_an_argument_that_a_tool_does_not_have_is_refused(place: Place) -> None:
    async def ask(client: Client) -> dict[str, Any]:
        listed = (await client.list_tools()).tools
        assert all(tool.input_schema["additionalProperties"] is False for tool in listed)
        return {
            tool.name: await client.call_tool(tool.name, CALLS[tool.name] | {"acounts": [N]})
            for tool in listed
        }

    for name, result in in_memory(place, ask).items():
        assert result.is_error, name
        assert "'acounts'" in result.content[0].text
        if "accounts" in CALLS[name]:
            assert "accounts" in result.content[0].text


def unbounded(schema: Any, path: str = "") -> Iterator[str]:
    """Where a JSON schema takes a list or a mapping of any length."""
    if isinstance(schema, list):
        for number, one in enumerate(schema):
            yield from unbounded(one, f"{path}/{number}")
    elif isinstance(schema, dict):
        is_mapping = isinstance(schema.get("additionalProperties"), dict)
        if schema.get("type") == "array" and "maxItems" not in schema:
            yield path
        if is_mapping and "maxProperties" not in schema:
            yield path
        for name, one in schema.items():
            yield from unbounded(one, f"{path}/{name}")


def test_no_tool_takes_a_list_of_any_length(place: Place) -> None:
    async def ask(client: Client) -> Any:
        many = {"metrics": ["spend"], "accounts": [N] * 51}
        assert (await client.call_tool("query_metrics", many)).is_error
        return (await client.list_tools()).tools

    for tool in in_memory(place, ask):
        assert not list(unbounded(tool.input_schema)), tool.name


@pytest.mark.slow
def test_every_tool_over_standard_streams(place: Place, tmp_path: Path) -> None:
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "meta_pipeline.cli", "mcp"],
        cwd=str(tmp_path),
        env={**os.environ, "DATABASE_URL": place.url, "META_PIPELINE_DATA": str(tmp_path)},
    )

    async def run() -> Any:
        async with Client(stdio_client(server)) as client:
            return await every_tool(client)

    check(place, asyncio.run(run()))


@contextmanager
def served(
    warehouse_of: Callable[[str | None], Warehouse],
    limiter: FairLimiter | None = None,
    admits: Admits = {KEY: ""}.get,
    **uses: Any,
) -> Iterator[str]:
    """The server behind its door on a socket of this machine, with `uses` of uvicorn."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        application = http_application(
            mcp_server(warehouse_of), admits, hosts=[host], limiter=limiter
        )
        server = uvicorn.Server(uvicorn.Config(application, log_level="critical", **uses))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://{host}/mcp"
        finally:
            server.should_exit = True
            thread.join()


def test_every_tool_over_http_with_a_key_and_nothing_without(place: Place) -> None:
    with served(lambda _: place.warehouse) as url:

        async def run() -> Any:
            headers = {"Authorization": f"Bearer {KEY}"}
            async with (
                httpx2.AsyncClient(headers=headers, timeout=PATIENCE_SECONDS) as http,
                Client(streamable_http_client(url, http_client=http)) as client,
            ):
                return await every_tool(client)

        check(place, asyncio.run(run()))
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY}):
            refused = httpx2.post(url, json=body, headers=headers, timeout=PATIENCE_SECONDS)
            assert (refused.status_code, KEY in refused.text) == (401, False)
        elsewhere = httpx2.post(
            url,
            json=body,
            headers={
                "Authorization": f"Bearer {KEY}",
                "Host": "evil.example",
                "Accept": "application/json, text/event-stream",
            },
            timeout=PATIENCE_SECONDS,
        )
        assert elsewhere.status_code == 421


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT", "OPTIONS"])
def test_the_server_is_asked_by_post_alone(place: Place, method: str) -> None:
    with served(lambda _: place.warehouse) as url:
        for path in ("", "/none"):
            headers = {"Authorization": f"Bearer {KEY}", "Accept": "text/event-stream"}
            refused = httpx2.request(method, url + path, headers=headers, timeout=PATIENCE_SECONDS)
            assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")


def test_who_listens_for_ever_holds_no_place(place: Place) -> None:
    """A key that may read opens what the protocol has for listening; others are still answered."""
    call = {"jsonrpc": "2.0", "id": 1}
    modern = "2026-07-28"
    about = {
        "io.modelcontextprotocol/protocolVersion": modern,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    asked = {"notifications": {"toolsListChanged": True}, "_meta": about}
    listen = call | {"method": "subscriptions/listen", "params": asked}
    spoken = {"MCP-Protocol-Version": modern, "Mcp-Method": "subscriptions/listen"}
    headers = {
        "Authorization": f"Bearer {KEY}",
        "Accept": "application/json, text/event-stream",
        # A connection that is kept for the next request counts, too, for as long as it is kept.
        "Connection": "close",
    }
    with (
        served(lambda _: place.warehouse, limit_concurrency=3) as url,
        httpx2.Client(headers=headers, timeout=PATIENCE_SECONDS) as http,
        http.stream("GET", url) as stream,
        http.stream("POST", url, json=listen, headers=spoken) as subscription,
    ):

        def is_answered() -> bool:
            return http.post(url, json=call | {"method": "tools/list"}).status_code == 200

        assert (stream.status_code, subscription.status_code) == (405, 404)
        assert subscription.read()
        assert subscription.json()["error"]["message"] == "Method not found"
        wait_until(is_answered, "the tools are listed")


ASK = {
    "Authorization": f"Bearer {KEY}",
    "Accept": "application/json, text/event-stream",
    "Content-Type": "application/json",
}
LIST = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}'


def is_listed(url: str) -> bool:
    answer = httpx2.post(url, content=LIST, headers=ASK, timeout=PATIENCE_SECONDS)
    return answer.status_code == 200 and len(answer.json()["result"]["tools"]) == len(CALLS)


def head_of(url: str) -> bytes:
    headers = "".join(f"{name}: {value}\r\n" for name, value in ASK.items())
    return f"POST /mcp HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n{headers}".encode()


def test_a_question_that_drips_holds_no_slot(place: Place) -> None:
    limiter = FairLimiter(patience_seconds=0)
    with served(lambda _: place.warehouse, limiter) as url, bodiless(url, head_of(url), MOST // 2):
        assert is_listed(url)


def test_an_answer_that_nobody_reads_holds_no_slot(place: Place) -> None:
    limiter, protocol = FairLimiter(patience_seconds=0), noted()
    with served(lambda _: place.warehouse, limiter, http=protocol) as url:
        ask = head_of(url) + b"Content-Length: %d\r\n\r\n" % len(LIST) + LIST
        with unread(url, ask, protocol, MOST // 2):
            assert is_listed(url)


def test_an_address_that_tries_too_many_keys_keeps_no_right_one_out(place: Place) -> None:
    looked_up: list[str] = []

    def admits(key: str) -> str | None:
        looked_up.append(key)
        return {KEY: "", "another": ""}.get(key)

    with served(lambda _: place.warehouse, admits=admits) as url:

        def status_of(key: str) -> int:
            headers = ASK | {"Authorization": f"Bearer {key}"}
            answer = httpx2.post(url, content=LIST, headers=headers, timeout=PATIENCE_SECONDS)
            return answer.status_code

        assert is_listed(url)
        wrong = [f"wrong {n}" for n in range(21)]
        assert [status_of(key) for key in wrong] == [401] * 20 + [429]
        assert looked_up == [KEY, *wrong]
        # Who came in before goes on, and who comes for the first time gets in.
        assert is_listed(url)
        assert status_of("another") == 200


def test_a_question_that_is_too_long_is_refused(place: Place) -> None:
    with served(lambda _: place.warehouse) as url:
        for content in (b" " * MAX_BODY_BYTES + LIST, iter([b" " * MAX_BODY_BYTES, LIST])):
            answer = httpx2.post(url, content=content, headers=ASK, timeout=PATIENCE_SECONDS)
            assert answer.status_code == 413


def test_the_command_serves_over_http_whom_a_key_of_ours_lets_read(
    place: Place, tmp_path: Path
) -> None:
    """A process, keys of `meta-pipeline api-keys`: one that may read, and one that may not.

    While the table of keys is locked, the token that stands in no table still opens.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/mcp"
    with Warehouse(place.url) as writing:
        made = {
            scope: new_key(
                writing,
                f"mcp {scope}",
                tenant="default",
                scopes=[scope],
                created_by="test",
                now=datetime.now(UTC),
            )[1]
            for scope in (Scope.READ, Scope.FACTS)
        }
    process = subprocess.Popen(
        [sys.executable, "-m", "meta_pipeline.cli", "mcp", "--http", "--port", str(port)],
        cwd=tmp_path,
        env={
            **os.environ,
            "DATABASE_URL": place.url,
            "META_PIPELINE_DATA": str(tmp_path),
            "META_MCP_TOKEN": KEY,
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert url in process.stderr.readline()
        wait_until(lambda: answers(port), "the MCP server answers")

        async def run() -> Any:
            headers = {"Authorization": f"Bearer {made[Scope.READ]}"}
            async with (
                httpx2.AsyncClient(headers=headers, timeout=PATIENCE_SECONDS) as http,
                Client(streamable_http_client(url, http_client=http)) as client,
            ):
                return await client.call_tool("list_accounts", {})

        listed = asyncio.run(run())
        assert [row["account_id"] for row in listed.structured_content["rows"]] == [N, E]

        def status(key: str) -> int:
            accepted = "application/json, text/event-stream"
            headers = {"Authorization": f"Bearer {key}", "Accept": accepted}
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
            return httpx2.post(
                url, json=body, headers=headers, timeout=PATIENCE_SECONDS
            ).status_code

        for key in (made[Scope.FACTS], made[Scope.READ][:-1] + "x", "none"):
            assert status(key) == 401
        with psycopg.connect(place.url) as other:
            other.execute("LOCK meta_ads.api_keys IN ACCESS EXCLUSIVE MODE")
            assert (status(made[Scope.READ]), status(KEY)) == (503, 200)
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)


def test_resources_and_the_weekly_review(place: Place) -> None:
    async def read(client: Client) -> Any:
        resources = await client.list_resources()
        texts = [await client.read_resource(one.uri) for one in resources.resources]
        prompts = await client.list_prompts()
        review = await client.get_prompt("weekly_review", {"account": N})
        return resources, texts, prompts, review

    resources, texts, prompts, review = in_memory(place, read)

    assert [str(one.uri) for one in resources.resources] == [
        "meta-ads://metric-dictionary",
        "meta-ads://data-dictionary",
    ]
    assert '"cpl"' in texts[0].contents[0].text
    assert "meta_insights" in texts[1].contents[0].text
    assert [one.name for one in prompts.prompts] == ["weekly_review"]
    assert N in review.messages[0].content.text


def test_pages_have_cursors_and_belong_to_their_question(place: Place) -> None:
    asked = {"metrics": ["spend"], "accounts": [N], "level": "ad", **DAYS}

    async def pages(client: Client) -> Any:
        rows, cursor = [], None
        for _ in range(20):
            page = await client.call_tool("query_metrics", {**asked, "cursor": cursor, "limit": 7})
            assert page.structured_content is not None
            rows += page.structured_content["rows"]
            cursor = page.structured_content["next_cursor"]
            if cursor is None:
                break
            last = cursor
        whole = await client.call_tool("query_metrics", asked)
        other = await client.call_tool("query_metrics", {**asked, "level": "adset", "cursor": last})
        return rows, whole.structured_content, other.structured_content

    rows, whole, other = in_memory(place, pages)

    assert rows == whole["rows"]
    assert len(rows) > 14
    assert other["outcome"] == "refused"
    assert "another question" in other["message"]


UNTIL = {"until": "2026-11-15"}
BOTH = {"date_range": "last_30d", "since": "2026-11-09"}
BEFORE = {**DAYS, "before_until": "2026-11-01"}
BAD: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("query_metrics", {"metrics": ["spent"]}, "no metric"),
    ("query_metrics", {"metrics": ["spend"], "accounts": ["nobody"]}, "no ad account"),
    ("query_metrics", {"metrics": ["spend"]}, "EUR, USD"),
    ("query_metrics", {"metrics": ["spend"], "accounts": [N], "by": ["moon"]}, "no dimension"),
    ("query_metrics", {"metrics": ["spend"], "accounts": [N], "order_by": "ctr"}, "order_by"),
    ("query_metrics", {"metrics": ["reach"], "accounts": [N]}, "counts people"),
    ("query_metrics", {"metrics": ["spend"], "accounts": [N], "filters": {"1=1": ["x"]}}, "filter"),
    ("query_metrics", {"metrics": ["spend"], "accounts": [N], "date_range": "soon"}, "no date"),
    ("query_metrics", {"metrics": ["spend"], "accounts": [N], **UNTIL}, "until alone is half"),
    ("query_metrics", {"metrics": ["spend"], "accounts": [N], **BOTH}, "date_range names days"),
    ("compare_periods", {"metrics": ["spend"], "accounts": [N], **UNTIL}, "give since, the first"),
    ("compare_periods", {"metrics": ["spend"], "accounts": [N], **BOTH}, "give the one or the"),
    ("compare_periods", {"metrics": ["spend"], "accounts": [N], **BEFORE}, "give before_since"),
    ("explain_change", {"metric": "spend", "accounts": [N], **UNTIL}, "until alone is half"),
    ("explain_change", {"metric": "spend", "accounts": [N], **BOTH}, "date_range names days"),
    ("explain_change", {"metric": "spend", "accounts": [N], **BEFORE}, "give before_since"),
    ("explain_change", {"metric": "reach", "accounts": [N]}, "counts people"),
    ("explain_change", {"metric": "spend", "accounts": [N], "level": "account"}, "explained by"),
    ("entity_timeline", {"entity": "nothing like it"}, "no account"),
    ("describe_metric", {"metric": "'; DROP TABLE meta_ads.meta_ads; --"}, "no metric"),
    ("ask", {"question": "spend by unicorn"}, "unicorn"),
    ("ask", {"question": "spend", "cursor": "xx"}, "EUR, USD"),
)


def test_what_has_no_answer_is_refused_in_the_answer(place: Place) -> None:
    async def run(client: Client) -> Any:
        return [await client.call_tool(name, given) for name, given, _ in BAD]

    for (name, given, said), result in zip(BAD, in_memory(place, run), strict=True):
        found = result.structured_content
        assert found is not None, (name, given, result.content)
        assert found["outcome"] in ("refused", "asked_back"), (name, given)
        assert said in found["message"], (name, given, found["message"])
        assert found["rows"] == []


def test_the_days_that_hold_are_said_by_the_names_they_are_asked_with(place: Place) -> None:
    given: dict[str, Any] = {"metrics": ["spend"], "accounts": [N]}

    async def ask(client: Client) -> Any:
        calls = [given, given | {"since": "2026-11-09"}]
        return [(await client.call_tool("query_metrics", one)).structured_content for one in calls]

    preset, day = in_memory(place, ask)
    assert (preset["asked"]["date_range"], preset["asked"].get("since")) == ("last_7d", None)
    assert (day["asked"].get("date_range"), day["asked"]["since"]) == (None, "2026-11-09")
    assert (day["provenance"]["since"], day["provenance"]["until"]) == ("2026-11-09",) * 2


def test_no_account_is_not_every_account(place: Place) -> None:
    """A program that lists what its user may see, and finds nothing, is not told of everything."""

    async def run(client: Client) -> dict[str, Any]:
        taking = [name for name, given in CALLS.items() if "accounts" in given]
        return {
            name: (await client.call_tool(name, CALLS[name] | {"accounts": []})).structured_content
            for name in taking
        }

    answers = in_memory(place, run)
    assert len(answers) >= 6
    for name, answer in answers.items():
        assert answer["outcome"] == "refused", name
        assert "list of ad accounts is empty" in answer["message"], name
        assert answer["rows"] == []


def test_days_at_the_ends_of_the_calendar_are_refused_in_the_answer(place: Place) -> None:
    async def run(client: Client) -> list[tuple[str, Any]]:
        dated = [tool for tool in CALLS if tool in DATED]
        ends = ("0001-01-01", "9999-12-31")
        return [
            (tool, await client.call_tool(tool, CALLS[tool] | dict.fromkeys(fields, day)))
            for tool in dated
            for fields in (("since", "until"), ("before_since", "before_until"))
            for day in ends
            if fields[0] in DATED[tool]
        ]

    for tool, result in in_memory(place, run):
        assert not result.is_error, (tool, result.content)
        assert result.structured_content["outcome"] == "refused", tool
        assert "no numbers of" in result.structured_content["message"], tool


def test_names_of_others_are_only_in_structured_fields(place: Place) -> None:
    async def run(client: Client) -> Any:
        tools = await client.list_tools()
        named = await client.call_tool(
            "query_metrics", {"metrics": ["spend"], "accounts": [N], "level": "campaign", **DAYS}
        )
        return tools, named.structured_content

    tools, named = in_memory(place, run)

    assert HOSTILE in {row["campaign_name"] for row in named["rows"]}
    spoken = [named["message"], named["reading"], *named["notes"]]
    spoken += [tool.description for tool in tools.tools]
    assert not any(HOSTILE in (text or "") for text in spoken)


@pytest.mark.parametrize("table", ["meta_ad_accounts", "metric_definitions", "meta_insights"])
def test_a_locked_table_is_said_and_not_waited_for(place: Place, table: str) -> None:
    quick = Patience(statement_seconds=20, lock_seconds=0.05, is_read_only=True)

    async def run(client: Client) -> list[str]:
        answers = [await client.call_tool(name, given) for name, given in CALLS.items()]
        return [str(one.content) for one in answers if one.is_error]

    with psycopg.connect(place.warehouse.url) as other:
        other.execute(f"LOCK meta_ads.{table} IN ACCESS EXCLUSIVE MODE")
        with Warehouse(place.warehouse.url, patience=quick) as impatient:
            refused = in_memory(replace(place, warehouse=impatient), run)
    assert refused
    assert all("Cannot tell: Postgres says" in one for one in refused)


def test_tables_that_cannot_be_reached_are_said_without_their_address(place: Place) -> None:
    async def run(client: Client) -> str:
        return str((await client.call_tool("list_accounts", {})).content)

    with Warehouse("postgresql://nobody:S3CRET@127.0.0.1:9/none") as away:
        said = in_memory(replace(place, warehouse=away), run)
    assert "Cannot tell: the tables cannot be read now" in said
    assert "nobody" not in said
