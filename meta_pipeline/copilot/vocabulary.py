"""Which words mean which metrics: the dictionary's keys, names and synonyms, by account."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from meta_pipeline.metrics import Dictionary

from .errors import CannotRead
from .text import Text, words
from .words import DIMENSIONS

Words = tuple[str, ...]
_BRACKETS = re.compile(r"\(([^)]*)\)")


@dataclass(frozen=True, slots=True)
class Term:
    """Words of a question that name metrics: in general, and in accounts that mean another."""

    words: str
    general: frozenset[str]
    own: tuple[tuple[str, frozenset[str]], ...] = ()

    def meaning(self, accounts: Iterable[str]) -> frozenset[str]:
        """The metrics that these accounts mean by it: an account's own meaning comes first."""
        own = dict(self.own)
        meanings = [own.get(account, self.general) for account in accounts] or [self.general]
        return frozenset().union(*meanings)


@dataclass
class Vocabulary:
    """Every way to name a metric; built from the dictionary of the warehouse."""

    general: dict[Words, set[str]] = field(default_factory=lambda: defaultdict(set))
    own: dict[Words, dict[str, set[str]]] = field(default_factory=lambda: defaultdict(dict))

    @classmethod
    def of(cls, dictionary: Dictionary) -> Vocabulary:
        vocabulary = cls()
        for metric in dictionary.metrics.values():
            # Two metrics may have one synonym: then both are kept, and who asks is asked which.
            for phrase in (*_names(metric.display_name), *metric.synonyms):
                vocabulary.general[stemmed(words(phrase))].add(metric.key)
        for key in dictionary.metrics:  # a key always means its metric, whoever else is called so
            vocabulary.general[stemmed(words(key.replace("_", " ")))] = {key}
        for override in dictionary.overrides:
            for phrase in (*_names(override.display_name or ""), *(override.synonyms or ())):
                of_account = vocabulary.own[stemmed(words(phrase))]
                of_account.setdefault(override.account, set()).add(override.metric)
        # A name of signs alone has no words; an empty phrase would be found everywhere.
        for empty in [phrase for phrase in vocabulary.general if not phrase]:
            del vocabulary.general[empty]
        return vocabulary

    def mark(self, text: Text) -> None:
        """Put a mark in place of each name of a metric, the longest first."""
        tokens = text.tokens
        longest = max(map(len, (*self.general, *self.own)), default=0)
        done: list[str] = []
        at = 0
        while at < len(tokens):
            # The longest first: "cost per lead" is one metric, not a cost and a lead.
            for length in range(min(longest, len(tokens) - at), 0, -1):
                phrase = stemmed(tokens[at : at + length])
                if phrase in self.general or phrase in self.own:
                    spoken = " ".join(tokens[at : at + length])
                    done.append(text.mark("metric", self._term(phrase, spoken)))
                    at += length
                    break
            else:
                done.append(tokens[at])
                at += 1
        text.line = " ".join(done)

    def near(self, word: str) -> list[str]:
        """Names of metrics and dimensions that look like a word, best first."""
        known = [" ".join(phrase) for phrase in self.general]
        known += [word for spoken in DIMENSIONS.values() for word in spoken]
        # Sorted, so that the same question is answered the same way: sets have no order.
        return difflib.get_close_matches(word, sorted(set(known)), n=3, cutoff=0.7)

    def _term(self, phrase: Words, spoken: str) -> Term:
        own = self.own.get(phrase, {})
        return Term(
            spoken,
            frozenset(self.general.get(phrase, ())),
            tuple((account, frozenset(keys)) for account, keys in sorted(own.items())),
        )


def chosen(term: Term, accounts: Sequence[str], dictionary: Dictionary) -> str:
    """The one metric a term means; CannotRead with the choices where it could be several."""
    keys = sorted(term.meaning(accounts))
    if len(keys) == 1:
        return keys[0]
    named = [(dictionary.metrics[key].display_name, key.replace("_", " ")) for key in keys]
    if not keys:
        raise CannotRead(
            f"{term.words!r} names a metric only in some accounts: name one of them.",
            words=[term.words],
        )
    offered = ", ".join(keys[:-1]) + f" or {keys[-1]}"
    raise CannotRead(
        f"{term.words!r} can mean {offered}: say which.", words=[term.words], choices=named
    )


def stemmed(phrase: Sequence[str]) -> Words:
    """Words without a plural s, as they are compared."""
    return tuple(
        word[:-1]
        # "ads" and "gas" keep their s, and so do class, status and basis.
        if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))
        else word
        for word in phrase
    )


def _names(display_name: str) -> list[str]:
    """A display name as people say it: whole, without its brackets, and what is in them."""
    inside = _BRACKETS.findall(display_name)
    return [
        display_name,
        _BRACKETS.sub(" ", display_name),
        *(one for one in inside if one != "all"),
    ]
