"""Reads a question: marks what it understands, part by part, and refuses what is left over."""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date

from psycopg import Connection

from meta_pipeline.metrics import WINDOWS, Dictionary

from . import conditions, dimensions, kinds, phrases, ranking
from .days import mark_days
from .errors import CannotRead
from .names import NamedEntity, Names, Pattern
from .reading import DEFAULT_DAYS, QuestionKind, Reading
from .text import MAX_CHARACTERS, Text, folded
from .vocabulary import Term, Vocabulary, chosen
from .words import FILLER

_MARK = re.compile(r"<[a-z]+ \d+>")
_OFFERED = 5


@dataclass
class QuestionReader:
    """Reads questions with the words of one dictionary and the names of one warehouse.

    `today` is the day it is for whoever asks: it decides which year "1 May" is of. Relative days
    ("last week") are counted from each account's own day.
    """

    dictionary: Dictionary
    connection: Connection[object]
    today: date
    accounts: Sequence[str] | None = None
    """Ids of the accounts that may be asked about; None for all."""
    vocabulary: Vocabulary = field(init=False)

    def __post_init__(self) -> None:
        self.vocabulary = Vocabulary.of(self.dictionary)

    def read(self, question: str) -> Reading:
        """The one reading of a question; CannotRead where there is none, or more than one."""
        # As it is read: some letters are written out as whole sentences there.
        if len(question) > MAX_CHARACTERS or len(folded(question)) > MAX_CHARACTERS:
            raise CannotRead(f"A question has at most {MAX_CHARACTERS} characters.")
        text = Text.of(phrases.written_out(question))
        if not text.line:
            raise CannotRead("There is no question: ask for a metric, as 'spend last week'.")
        names = Names(self.connection, self.accounts, lambda word: bool(self.vocabulary.near(word)))
        # On a copy first, to see which words nothing explains: only those may be names.
        left = phrases.left_over(self._marked(deepcopy(text)))
        if left or text.quoted:
            names.mark(text, left)
        text = self._marked(text)
        reading = self._settled(text)
        self._refuse_left(text, names)
        return reading

    def _marked(self, text: Text) -> Text:
        """Everything with words of its own becomes marks; what needs those marks comes later."""
        # The order matters: "the 7 days before" is no "7 days", a price is marked before the limit
        # on it.
        phrases.mark_before(text)
        phrases.mark_windows(text)
        mark_days(text, self.today)
        phrases.mark_phrases(text)
        dimensions.mark_each(text)
        self.vocabulary.mark(text)
        conditions.mark_prices(text)
        conditions.mark_conditions(text)
        phrases.mark_currency(text)
        ranking.mark_ranking(text)
        dimensions.mark_dimensions(text)
        dimensions.mark_statuses(text)
        kinds.mark_kind(text)
        return text

    def _settled(self, text: Text) -> Reading:
        """The reading that the marks add up to."""
        marks = text.marks
        entities: list[NamedEntity | Pattern] = marks.get("entity", [])
        reading = Reading(QuestionKind.NUMBERS, entities=entities)
        _scope(reading, self.accounts)
        # A word may mean another metric in an account of its own dictionary: whose, has to be known
        # first.
        asked = reading.accounts or list(self.accounts or ())
        if not asked:
            rows = self.connection.execute("SELECT account_id FROM meta_ads.meta_ad_accounts")
            asked = [str(row[0]) for row in rows]  # type: ignore[index]
        used = _of(text, "metric")
        reading.metrics = list(dict.fromkeys(self._metric(term, asked) for term in used))
        conditions.settle_conditions(
            text, reading, lambda term: self._metric(term, asked), self.dictionary
        )
        ranking.settle_ranking(
            text, reading, lambda term: self._metric(term, asked), self.dictionary
        )
        days = marks.get("days", [])
        self._days(text, reading, days)
        reading.attribution = self._window(text)
        reading.currency = next(iter(_of(text, "currency")), None)
        # After ranking and days: what is ranked decides what the rows are.
        dimensions.settle_dimensions(text, reading)
        kinds.settle_kind(text, reading, self.dictionary)
        return reading

    def _metric(self, term: Term | str, accounts: Sequence[str]) -> str:
        if isinstance(term, str):
            return term
        return chosen(term, accounts, self.dictionary)

    def _days(self, text: Text, reading: Reading, days: list[object]) -> None:
        named = _of(text, "days")
        before = _of(text, "before")
        if len(named) > 1 or len(before) > 1:
            raise CannotRead(
                "Several ranges of days are named: ask about one, or one against another "
                "('this week against last week').",
                words=[one.words for one in named],
            )
        reading.days = named[0] if named else DEFAULT_DAYS
        reading.has_days = bool(named)
        reading.before = before[0] if before else None

    def _window(self, text: Text) -> str:
        windows = list(dict.fromkeys(_of(text, "window")))
        if len(windows) > 1:
            raise CannotRead("Several attribution windows are named: ask for one of them.")
        if windows and windows[0] not in WINDOWS:
            raise CannotRead(
                f"There is no attribution window {windows[0]}: there are {', '.join(WINDOWS)}."
            )
        return windows[0] if windows else "default"

    def _refuse_left(self, text: Text, names: Names) -> None:
        left = phrases.left_over(text)
        if not left:
            return
        near: list[str] = []
        for word in left[:_OFFERED]:
            # Metrics first: names are many, and one of them is always somewhat like the word.
            near += self.vocabulary.near(word) or names.near(word)
        unknown = ", ".join(repr(word) for word in left)
        raise CannotRead(
            f"Not understood: {unknown}. Nothing is answered rather than something else.",
            words=left,
            near=list(dict.fromkeys(near))[:_OFFERED],
        )


def _of(text: Text, kind: str) -> list:  # type: ignore[type-arg]
    """The meanings of the marks of a kind that are still in the line, in order."""
    return [text.meaning(mark) for mark in _MARK.findall(text.line) if mark.startswith(f"<{kind} ")]


def _scope(reading: Reading, allowed: Sequence[str] | None) -> None:
    """Accounts and filters from the names of the question."""
    for entity in reading.entities:
        if isinstance(entity, Pattern):
            reading.filters.setdefault(f"{entity.level}_name", []).append(f"*{entity.words}*")
            continue
        if entity.level != "account":
            reading.filters.setdefault(entity.level, []).append(entity.entity_id)
    named = [one for one in reading.entities if isinstance(one, NamedEntity)]
    accounts = [one.account_id for one in named if one.level == "account"]
    below = {one.account_id for one in named if one.level != "account"}
    # Else the filter would answer with no rows, which reads like zero.
    if accounts and below - set(accounts):
        raise CannotRead("What is named is not part of the account that is named.")
    reading.accounts = list(dict.fromkeys(accounts or sorted(below)))
    # Never beyond what may be asked about, also where no account is named.
    if not reading.accounts and allowed is not None:
        reading.accounts = list(allowed)


__all__ = ["FILLER", "QuestionReader"]
