"""Docs that cannot rot: pages are written from the code, and links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import dagster
import pytest
import yaml
from pydantic import AliasChoices

from meta_pipeline.commands.reference import cli_page, settings_page
from meta_pipeline.governor import Thresholds
from meta_pipeline.graph.pages import MOST_EMPTY_PAGES
from meta_pipeline.settings import Settings
from meta_pipeline.settings.secret_files import secret_names
from meta_pipeline.sync.context import thresholds_from

ROOT = Path(__file__).parents[1]
_OF_THE_ROOT = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
PAGES = [*(ROOT / name for name in _OF_THE_ROOT), *sorted((ROOT / "docs").glob("*.md"))]
_LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)")
_HOW = "stale: run `.venv/bin/python -m meta_pipeline.commands.reference`"


def test_the_pages_of_commands_and_settings_are_current() -> None:
    assert (ROOT / "docs/cli.md").read_text(encoding="utf-8") == cli_page(), _HOW
    assert (ROOT / "docs/settings.md").read_text(encoding="utf-8") == settings_page(), _HOW


def test_every_setting_is_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    variables = re.findall(r"^([A-Z_]+)=", example, flags=re.MULTILINE)
    declared = [
        str(field.validation_alias.choices[0])  # type: ignore[union-attr]
        for field in Settings.model_fields.values()
    ]
    assert sorted(variables) == sorted(declared)


def test_every_secret_is_in_the_table_of_deployment() -> None:
    page = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
    assert not [name for name in secret_names() if f"`{name}`" not in page]


def test_the_example_as_it_stands_is_valid(tmp_path: Path) -> None:
    copied = tmp_path / ".env"
    copied.write_text((ROOT / ".env.example").read_text(encoding="utf-8"), encoding="utf-8")
    settings = Settings.load(env_file=copied)
    assert settings.access_token is None
    assert settings.backfill_days == 90


def test_the_example_says_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields.values():
        alias = field.validation_alias
        assert isinstance(alias, AliasChoices)
        monkeypatch.delenv(str(alias.choices[0]), raising=False)
    copied = tmp_path / ".env"
    copied.write_text((ROOT / ".env.example").read_text(encoding="utf-8"), encoding="utf-8")
    said = Settings.load(env_file=copied).model_dump()
    assert said == Settings.load(env_file=None).model_dump()


def test_pages_say_the_numbers_of_the_code() -> None:
    instance = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    syncs = Settings.model_fields["max_syncs"].default
    troubleshooting = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    dagster_page = (ROOT / "docs/dagster.md").read_text(encoding="utf-8")
    assert f"or {MOST_EMPTY_PAGES} empty pages in a row" in troubleshooting
    assert f"**At most {syncs} syncs**" in dagster_page
    assert instance["concurrency"]["runs"]["max_concurrent_runs"] == syncs + 1
    assert instance["concurrency"]["pools"]["default_limit"] == syncs
    for page in PAGES:  # the run queue has a limit of its own
        assert "`META_MAX_SYNCS` alone" not in page.read_text(encoding="utf-8"), page.name


def test_the_insights_usage_stop_leaves_extras_out_and_stops_nothing_else() -> None:
    thresholds = thresholds_from(Settings.load(env_file=None, insights_usage_stop_pct=41))
    assert thresholds.insights_skip_pct == 41
    assert thresholds.insights_stop_pct == Thresholds().insights_stop_pct


def test_every_name_of_dagster_exists() -> None:
    """An annotation is never evaluated: one of a name that is none would stay for ever."""
    for path in sorted((ROOT / "meta_pipeline").rglob("*.py")):
        named = re.findall(r"\bdg\.([A-Za-z_]+)", path.read_text(encoding="utf-8"))
        assert not [name for name in named if not hasattr(dagster, name)], path.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = _LINK.findall(page.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


def test_every_page_is_in_the_site_and_has_one_place_there() -> None:
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r": ([\w-]+\.md)$", site, flags=re.MULTILINE)
    assert sorted(named) == sorted(page.name for page in PAGES if page.name != "README.md")


@pytest.mark.slow
def test_the_site_is_built_and_every_link_and_anchor_of_it_leads_somewhere(tmp_path: Path) -> None:
    """Strict: a page that is in no menu, a lost link or anchor, a name of Python that is gone."""
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        check=False,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert built.returncode == 0, built.stderr
    reference = (tmp_path / "python.html").read_text(encoding="utf-8")
    assert "Answer one question about metrics" in reference


def test_no_example_adds_up_all_levels_at_once() -> None:
    """`meta_insights` holds every amount once a level: an example says which, or reads a view."""
    dashboards = sorted((ROOT / "deploy").rglob("*.json"))
    for page in [*PAGES, *dashboards]:
        for query in re.split(r";|```|\"rawSql\"", page.read_text(encoding="utf-8")):
            if re.search(r"(?i)\b(?:FROM|JOIN)\s+meta_ads\.meta_insights\b", query):
                assert re.search(r"\bentity_type\b", query), (page.name, query)


def test_no_page_names_a_path_of_a_machine() -> None:
    for page in PAGES:
        found = re.findall(r"(?<![\w.])/(?:work|root|home)/\S*", page.read_text(encoding="utf-8"))
        assert not found, page.name


# What a command line holds is for every user of the machine to read, and stays in histories; what a
# statement holds, in the server's log.
SHOWN = {
    "by a header": r"""-H\s*["']?(?:Authorization|Cookie)\b""",
    "by a statement": r"(?:CREATE|ALTER) (?:ROLE|USER) [^;:]{0,200}\bPASSWORD '",
    "by an address": r"""(?:export|env|-e|--\S+|psql|curl)[ =]\S*\w://[\w%]+:[^@\s$]+@""",
    "by an argument": r"(?:--from-literal|--password|--token)[= ][^\s|`]",
    "by a variable": r"export \w+_(?:TOKEN|SECRET|PASSWORD|KEYS?)=(?!EAASIMULATED)[\w.-]",
}
# `cp` leaves what it makes to the umask: to every user of the machine, mostly.
_COPIED = re.compile(r"(?i)\bcopy (?:`\S+` )?to `?\.env|\bcp \S+ \.env(?![\w.])")
_KEPT_IN_A_FILE = re.compile(r"openssl rand[^`\n]*>|--from-file=\S*=?\./|cat > ")


def instructions() -> list[Path]:
    """What people copy commands from: pages, what is deployed, and the sentences of commands."""
    deployed = (path for path in (ROOT / "deploy").rglob("*") if path.is_file())
    sources = (ROOT / "meta_pipeline").rglob("*.py")
    more = (ROOT / ".env.example", ROOT / "Makefile", *sources)
    return sorted([*PAGES, *(one for one in deployed if one.suffix != ".json"), *more])


def test_no_command_shows_a_secret() -> None:
    for path in instructions():
        text = path.read_text(encoding="utf-8")
        for how, pattern in SHOWN.items():
            found = re.search(pattern, text)
            assert not found, (path.name, how, found)


def test_a_file_with_a_secret_is_its_owners_alone_from_the_start() -> None:
    for path in instructions():
        text = path.read_text(encoding="utf-8")
        kept = _KEPT_IN_A_FILE.search(text)
        assert not kept or "umask 077" in text[: kept.start()], (path.name, kept)


def test_what_settings_with_secrets_are_written_to_is_their_owners_alone() -> None:
    for path in instructions():
        text = path.read_text(encoding="utf-8")
        assert not _COPIED.search(text), path
        # Examples that have a place for secrets, and pages that have one put there.
        is_told = path.name == ".env.example" or "into `.env`" in text
        assert not is_told or re.search(r"install -m 600 \S+ \.env|chmod 600 \.env", text), path


def test_nobody_is_told_to_count_on_a_token_without_an_end() -> None:
    """Meta lets most system user tokens end after 60 days now."""
    page = (ROOT / "docs/tokens.md").read_text(encoding="utf-8")
    assert "Do not count on a token that never expires" in page
    assert "looked at once a day, and what has an end is renewed" in page
    advice = re.compile(r"(?<!not count on a )(non-expiring|token that never expires)", re.I)
    for path in (*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"):
        assert not advice.search(path.read_text(encoding="utf-8")), path
