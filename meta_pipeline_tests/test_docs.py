"""Docs that cannot rot: pages are written from the code, and links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from meta_pipeline.commands.reference import cli_page, settings_page
from meta_pipeline.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]
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


def test_the_example_as_it_stands_is_valid(tmp_path: Path) -> None:
    copied = tmp_path / ".env"
    copied.write_text((ROOT / ".env.example").read_text(encoding="utf-8"), encoding="utf-8")
    settings = Settings.load(env_file=copied)
    assert settings.access_token is None
    assert settings.backfill_days == 90


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = _LINK.findall(page.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


def test_no_page_names_a_path_of_a_machine() -> None:
    for page in PAGES:
        found = re.findall(r"(?<![\w.])/(?:work|root|home)/\S*", page.read_text(encoding="utf-8"))
        assert not found, page.name
