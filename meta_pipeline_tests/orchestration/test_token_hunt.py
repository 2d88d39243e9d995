"""The hunt: no token, key or secret in any table, log, event, page, message or file there is."""

from __future__ import annotations

import logging
import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import httpx2
import pytest
from typer.testing import CliRunner

from meta_pipeline.cli import app
from meta_pipeline.redaction import guard_http_logging
from meta_pipeline.reports.exporter import WarehouseCollector
from meta_pipeline.settings import Settings
from meta_pipeline.simulator import Fault
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.api_keys import Scope, new_key
from meta_pipeline.web.access.links import new_link
from meta_pipeline.web.access.secret import Secret
from meta_pipeline.web.access.sign_in import SignIn
from meta_pipeline_tests.connections.place import KEY
from meta_pipeline_tests.orchestration.instances import instance
from meta_pipeline_tests.orchestration.standing import Standing, standing
from meta_pipeline_tests.waiting import PATIENCE_SECONDS
from meta_pipeline_tests.web import served

__all__ = ["instance"]

WEB_SECRET = "hunted-secret-of-cookies-0123456789abcdef"
PROXY_SECRET = "hunted-secret-of-the-proxy-0123456789abcdef"
CODE, STATE = "AQhuntedcode" + "c" * 40, "huntedstate" + "s" * 40
PAGES = (
    *("/", "/campaigns", "/creatives", "/sync", "/health", "/advice", "/ask", "/connections"),
    *("/members", "/accounts/{account}", "/timeline/{account}", "/campaigns.csv"),
)
BROKEN = (
    *("/accounts/act_1", "/timeline/1", "/no-such-page", "/v1/accounts/act_1"),
    f"/connections/back?code={CODE}&state={STATE}",
    f"/connections/back?error=x&error_description={CODE}&state={STATE}",
    f"/connections/choose/pend_{STATE}",
)
COMMANDS = (
    *(["connections", "--json"], ["connections", "check", "--json"], ["check", "--json"]),
    *(["status"], ["accounts", "--json"], ["runs", "--json"], ["check", "--data"]),
)


def hunted(place: Standing, key: str) -> dict[str, str]:
    """Every secret of this place, by what it is."""
    tokens = {f"token {n}": one for n, one in enumerate(place.sim.tokens._tokens)}
    return tokens | {
        "app secret": place.sim.tokens.app.secret,
        "key of META_TOKEN_KEYS": KEY.partition(":")[2],
        "API key": key.rpartition("_")[2],
        "META_WEB_SECRET": WEB_SECRET,
        "META_WEB_PROXY_SECRET": PROXY_SECRET,
        "path of the webhook": place.hook.url.rpartition("/")[2],
        "code": CODE,
        "state": STATE,
    }


def dagster(place: Standing) -> Iterator[tuple[str, str]]:
    """Every event of every run, as it is stored and as its objects say."""
    for run in place.instance.get_runs():
        logs = place.instance.all_logs(run.run_id)
        assert logs
        yield f"events of {run.job_name}", repr(logs)
        yield f"messages of {run.job_name}", "\n".join(one.user_message for one in logs)
        yield f"run {run.job_name}", repr(run)


def pages(place: Standing, key: str) -> Iterator[tuple[str, str]]:
    """Every page, what is no page, and what programs are answered, well and badly."""
    settings = Settings.load(env_file=None)
    site = Site(settings, place.warehouse, Secret(WEB_SECRET), SignIn.LINK, now=lambda: place.now)
    with served.running(web_application(site)) as url:
        with httpx2.Client(
            base_url=url,
            headers={"x-proxy-secret": PROXY_SECRET},
            follow_redirects=True,
            timeout=PATIENCE_SECONDS,
        ) as browser:
            yield "sign in", browser.get(new_link(site.secret, url)).text
            for path in (*PAGES, *BROKEN):
                answer = browser.get(path.format(account=place.ids[0]))
                is_whole = path in PAGES
                assert (answer.status_code == 200) or not is_whole, (path, answer.text[:500])
                yield path, f"{dict(answer.headers)}\n{answer.text}"
            forged = browser.post("/connections/remove", data={"connection": CODE, "csrf": "x"})
            yield "a forged form", forged.text
        with httpx2.Client(base_url=url, timeout=PATIENCE_SECONDS) as program:
            for head in ({"authorization": f"Bearer {key}"}, {"authorization": f"Bearer {key}x"}):
                for path in ("/v1/accounts", "/v1/accounts/act_1", "/v1/nothing"):
                    answer = program.get(path, headers=head)
                    yield f"{path} as a program", f"{dict(answer.headers)}\n{answer.text}"


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """All that was logged, but for the test's own browser, which says where it goes."""
    ours = [one for one in caplog.records if not one.name.startswith(("httpx", "httpcore"))]
    assert len(ours) > 100
    return "\n".join(caplog.handler.format(one) for one in ours)


def files(*folders: Path) -> Iterator[Path]:
    """Every file below the folders that has something in it."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and path.stat().st_size:
                yield path


def found_in(path: Path, secrets: Mapping[str, str]) -> list[str]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        return [name for name, secret in secrets.items() if raw.find(secret.encode()) >= 0]


def dump(place: Standing) -> str:
    """Every row of every table there is, with bytes as text."""
    tables = place.query(
        "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables "
        "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    rows = [place.query(f"SELECT * FROM {name}") for (name,) in tables]
    sealed = place.query(
        "SELECT encode(sealed, 'escape') FROM meta_ads.connection_tokens UNION ALL "
        "SELECT encode(sealed, 'escape') FROM meta_ads.pending_connections"
    )
    statements = place.query("SELECT query FROM pg_stat_activity")
    return repr((rows, sealed, statements))


@pytest.mark.slow
def test_nothing_that_is_secret_is_found_anywhere(
    database_url: str,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    guard_http_logging()
    caplog.set_level(logging.DEBUG)
    monkeypatch.chdir(tmp_path)
    with standing(database_url, instance, monkeypatch) as place:
        monkeypatch.setenv("META_WEB_SECRET", WEB_SECRET)
        monkeypatch.setenv("META_WEB_PROXY_ADDRESSES", "127.0.0.1")
        monkeypatch.setenv("META_WEB_PROXY_SECRET", PROXY_SECRET)
        _, key = new_key(
            place.warehouse,
            "BI",
            tenant="default",
            scopes=Scope,
            created_by="test",
            now=place.now,
        )
        # Runs that go well, one whose token dies, and one whom Meta quotes what it was sent.
        assert place.run("discover_accounts").success
        done = place.sync()
        assert done.success
        assert any(event.is_step_materialization for event in done.all_events)
        place.sim.tokens.revoke(place.tokens["Long"])
        assert place.sync().success
        quoting = Fault.graph_error(
            100, message=f"(#100) {place.tokens['Short']} with {place.sim.tokens.app.secret}"
        )
        for path in ("/campaigns", "/insights", "/debug_token", "/oauth/access_token"):
            place.sim.fail("GET", path, with_=quoting, times=None)
        place.sync()
        failures = place.query("SELECT count(*) FROM meta_ads.sync_runs WHERE status <> 'success'")
        assert failures[0][0], "Meta quoted it"
        place.run("connection_care")
        assert "told" in place.tick(minutes=5)
        texts: list[tuple[str, str]] = [*dagster(place), *pages(place, key)]
        texts += [("an alert", text) for text in place.hook.texts]
        for command in COMMANDS:
            answer = CliRunner().invoke(app, command)
            texts.append((" ".join(command), answer.output + repr(answer.exception)))
        place.sim.faults.clear()
        assert place.sync().success
        place.run("connection_care")
        texts += [*dagster(place), ("the database", dump(place)), ("the log", logged(caplog))]
        texts += [("what was printed", text) for text in capfd.readouterr()]
        families = WarehouseCollector(place.warehouse).collect()
        texts.append(("metrics", repr([one.samples for one in families])))
        secrets = hunted(place, key)
        ((folder,),) = place.query("SELECT current_setting('data_directory')")
    assert len(secrets) >= 9
    assert len(texts) > 50
    for where, text in texts:
        for name, secret in secrets.items():
            lines = [line for line in text.splitlines() if secret in line]
            assert not lines, (name, where, lines[0].replace(secret, "<here>")[:400])
    searched = 0
    for file in files(tmp_path, Path(instance.root_directory), Path(folder)):
        searched += 1
        assert not found_in(file, secrets), file
    assert searched > 100, "the server's own files, its write-ahead log and Dagster's home"


def test_the_hunt_finds_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"\x00" * 5000 + b"EAAhidden" + b"\xff" * 5000)
    (tmp_path / "empty").touch()
    secrets: dict[str, Any] = {"hidden": "EAAhidden", "other": "EAAother"}
    assert [found_in(path, secrets) for path in files(tmp_path)] == [["hidden"]]
