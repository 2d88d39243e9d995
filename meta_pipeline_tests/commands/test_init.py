"""`init`: the first settings, by asking or by flags; never over a file unasked, never open."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.commands.env_file import env_text
from meta_pipeline.settings import Settings, SettingsError
from meta_pipeline.simulator import Fault
from meta_pipeline_tests.commands.shell import TOKEN, Shell, shell_of, spec

NAMES = ("Nordwind Shop", "Nordwind US", "[red]Twin\x1b[2J\nMETA_GRAPH_URL=http://evil", "Zeta")


@pytest.fixture
def shell(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    with shell_of(database_url, monkeypatch, tmp_path, *map(spec, NAMES)) as found:
        for name in ("META_ACCESS_TOKEN", "DATABASE_URL"):
            monkeypatch.delenv(name)
        yield found


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n", encoding="utf-8")
    return str(path)


def written(shell: Shell) -> Settings:
    """The settings as another process of this folder reads them."""
    shell.patch.delenv("META_GRAPH_URL", raising=False)
    path = Path(".env")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return Settings.load()


def test_a_person_is_asked_and_chooses_by_number_and_name(shell: Shell) -> None:
    result = shell.run("init", typed=f"{TOKEN}\n9,nobody\n2, nordwind us\n{shell.url}\n")
    assert result.exit_code == 0, result.output
    assert "There is no ad account '9'" in result.output
    assert "\x1b[2J" not in result.output
    found = written(shell)
    assert found.require_token() == TOKEN
    assert found.require_database_url() == shell.url
    assert found.included == set(shell.ids[:2])
    text = Path(".env").read_text(encoding="utf-8")
    assert f"# {shell.ids[0]} Nordwind Shop" in text
    assert "# META_BACKFILL_DAYS=90" in text
    assert shell.run("check").exit_code == 0
    assert "1 of 2" in shell.run("sync", "--all").stdout


@pytest.mark.parametrize(
    ("typed", "chosen"),
    [("all", []), ("", []), ("2-4", [1, 2, 3]), ("4,1,1", [3, 0]), ("Zeta", [3])],
)
def test_what_a_person_may_type(shell: Shell, typed: str, chosen: list[int]) -> None:
    order = sorted(range(len(NAMES)), key=lambda n: NAMES[n].casefold())
    result = shell.run("init", typed=f"{TOKEN}\n{typed}\nembedded\n")
    assert result.exit_code == 0, result.output
    wanted = [NAMES.index("Zeta")] if typed == "Zeta" else [order[n] for n in chosen]
    assert written(shell).included == {shell.ids[n] for n in wanted}


def test_flags_answer_every_question(shell: Shell, token_file: str) -> None:
    facts = shell.json(
        *("init", "--token-file", token_file, "--database-url", shell.url),
        *("-a", "Nordwind US", "-a", shell.ids[0]),
    )
    assert {one["account_id"] for one in facts["accounts"]} == set(shell.ids[:2])
    found = written(shell)
    assert (found.require_token(), found.require_database_url()) == (TOKEN, shell.url)
    assert found.included == set(shell.ids[:2])


def test_without_questions_all_accounts_and_the_embedded_postgres(
    shell: Shell, token_file: str
) -> None:
    result = shell.run("init", "--non-interactive", "--token-file", token_file)
    assert result.exit_code == 0, result.output
    found = written(shell)
    assert found.included == frozenset()
    assert found.database_url is None


def test_the_environment_and_standard_input_have_the_token_too(shell: Shell) -> None:
    assert shell.run("init", "--non-interactive", "--token-file", "-", typed=TOKEN).exit_code == 0
    Path(".env").unlink()
    shell.patch.setenv("META_ACCESS_TOKEN", TOKEN)
    assert shell.run("init", "--non-interactive").exit_code == 0
    shell.patch.delenv("META_ACCESS_TOKEN")
    assert written(shell).require_token() == TOKEN


def test_a_file_that_is_there_is_not_replaced_unasked(shell: Shell, token_file: str) -> None:
    before = "META_BACKFILL_DAYS=7\n"
    Path(".env").write_text(before, encoding="utf-8")
    given = ("init", "--token-file", token_file, "--all", "--database-url", "embedded")
    for typed, more in (("", ["--non-interactive"]), ("n\n", []), ("", []), ("", ["--json"])):
        result = shell.run(*given, *more, typed=typed)
        assert result.exit_code == 1, result.output
        assert "othing was written" in result.output
        assert Path(".env").read_text(encoding="utf-8") == before
    assert len(shell.sim.journal) == 0
    assert shell.run(*given, typed="y\n").exit_code == 0
    assert written(shell).require_token() == TOKEN
    kept = list(Path.cwd().glob(".env.*"))
    assert [one.read_text(encoding="utf-8") for one in kept] == [before]
    assert stat.S_IMODE(kept[0].stat().st_mode) == 0o600


WRONG: list[tuple[list[str], str]] = [
    (["--non-interactive"], ""),
    ([], ""),
    ([], f"{TOKEN}\n"),
    (["--token-file", "missing"], ""),
    (["--token-file", "."], ""),
    (["--non-interactive", "--token-file", "-"], "two words"),
    (["--non-interactive", "--token-file", "-"], " \n"),
    (["--non-interactive", "--token-file", "-"], "EAAWRONG"),
    (["--all", "--database-url", "mysql://h/x"], f"{TOKEN}\n"),
    (["-a", "nobody"], f"{TOKEN}\n"),
    (["-o", "no/such/folder/.env", "--all", "--database-url", "embedded"], f"{TOKEN}\n"),
]


def test_what_does_not_do_is_told_and_nothing_is_written(shell: Shell) -> None:
    for words, typed in WRONG:
        result = shell.run("init", *words, typed=typed)
        assert result.exit_code in (1, 2), (words, result.output)
        assert result.output.strip(), words
        assert not list(Path.cwd().glob(".env*")), words


def test_a_token_that_meta_refuses_may_be_typed_again(shell: Shell) -> None:
    result = shell.run("init", typed=f"EAAWRONG\n{TOKEN}\nall\nembedded\n")
    assert result.exit_code == 0, result.output
    assert written(shell).require_token() == TOKEN


def test_a_meta_that_fails_is_told(shell: Shell, token_file: str) -> None:
    shell.sim.fail("GET", "/me/adaccounts", times=9, with_=Fault.graph_error(200, status=403))
    result = shell.run("init", "--token-file", token_file)
    assert result.exit_code == 1
    assert "Nothing was written: " in result.output


def test_git_that_would_take_the_file_is_said(shell: Shell, token_file: str) -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    given = ("init", "--non-interactive", "--token-file", token_file)
    assert "add it to .gitignore" in shell.run(*given).stderr
    Path(".gitignore").write_text(".env*\n", encoding="utf-8")
    assert "gitignore" not in shell.run(*given, "--overwrite").stderr
    Path(".gitignore").write_text(".env\n", encoding="utf-8")
    assert "git does not ignore .env." in shell.run(*given, "--overwrite").stderr  # what was kept


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_a_value_is_written_so_that_it_is_read_as_it_is_or_refused(value: str) -> None:
    is_refused = False
    try:
        text = env_text({"META_DAGSTER_HOSTS": value}, {"META_DAGSTER_HOSTS": [value]})
    except SettingsError:
        is_refused = True
    else:
        lines = [one for one in text.splitlines() if one and not one.startswith("#")]
        assert len(lines) == 1
    assert not (is_refused and value.isalnum())


@pytest.mark.parametrize("password", ["p${META_ACCESS_TOKEN}q", "$HOME '$' \\${X}", "${", "$$a b"])
def test_a_password_with_a_dollar_is_read_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.delenv("META_ALERT_EMAIL_PASSWORD", raising=False)
    monkeypatch.setenv("META_ACCESS_TOKEN", TOKEN)
    (path := tmp_path / ".env").write_text(env_text({"META_ALERT_EMAIL_PASSWORD": password}, {}))
    found = Settings.load(path).alert_email_password
    assert found is not None
    assert found.get_secret_value() == password
