"""Subject: a person, as the identity provider or the proxy that let them in names them."""

from __future__ import annotations

from typing import Final

OWN_ID: Final = "sub:"
"""Begins the name of whom an identity provider knows by an id of its own, and by no address."""


def as_subject(given: str) -> str:
    """The name as it is stored and compared: capitals make nobody another person.

    Only letters that are each other's alone: for `str.casefold` ß is ss, the long s an s and the
    Kelvin sign a k, so that whoever owns such an address would be let in as somebody else. A
    provider's own ids stay as they are: for it capitals are other people.
    """
    named = given.strip()
    return named if named.startswith(OWN_ID) else "".join(map(_small, named))


def _small(letter: str) -> str:
    small = letter.lower()
    return small if small.upper() == letter else letter
