"""Whose membership a name opens: capitals make nobody another person, other letters do."""

from __future__ import annotations

import sys

import pytest

from meta_pipeline.model.subject import as_subject
from meta_pipeline.settings import Settings

HELD = "frank.strasse@office.example"


@pytest.mark.parametrize(
    "given", [HELD, HELD.upper(), f" {HELD.title()} ", "Frank.STRASSE@Office.Example"]
)
def test_capitals_make_nobody_another_person(given: str) -> None:
    assert as_subject(given) == as_subject(HELD)
    assert as_subject("ÄRZTE@kyiv.example") == as_subject("ärzte@KYIV.example")
    assert as_subject("ИВАН") == as_subject("иван")


def test_no_letter_opens_what_another_person_is_a_member_of() -> None:
    """Of every letter that some folding makes one of the name's, in the place of that one."""
    looks = [
        (letter, folded)
        for letter in map(chr, range(128, sys.maxunicode))
        for folded in {letter.casefold(), letter.lower(), letter.upper().lower()}
        if folded.isascii() and folded in HELD
    ]
    # The long s, the Kelvin sign, the sharp s and the ligature of two f among them.
    assert {"\u017f", "\u212a", "\u00df", "\ufb00"} <= {letter for letter, _ in looks}
    named = Settings.load(env_file=None, web_admins=HELD).web_admin_names
    assert named == {as_subject(HELD)}
    for letter, folded in looks:
        assert as_subject(HELD.replace(folded, letter)) not in named, (letter, folded)
    for letter in map(chr, range(sys.maxunicode)):
        # Stored once and looked for later: the same whoever folds it how often.
        assert as_subject(as_subject(letter)) == as_subject(letter)
