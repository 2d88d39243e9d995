"""Which account, campaign, ad set or ad a question means: by id, by name, by part of a name.

A name is found by the words of the question that nothing else explains, so that a campaign called
"spend last week" cannot change what "spend last week" means; in quotation marks anything is a name.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from psycopg import Connection

from meta_pipeline.alike import MOST_COMPARED, alike
from meta_pipeline.model.level import LEVELS

from .errors import CannotRead
from .text import Text, words
from .words import LEVEL_OF, PLURALS

# What contains a word is compared with the question one by one, in Python.
_CANDIDATES = 2_000
# Compared letter by letter in Python, for each word that nothing else explains.
_LOOKED_THROUGH = 10_000
# More than any question with a name in it: each of them costs a look through those.
_MOST_UNEXPLAINED = 30
# Each of them is a look through all names there are.
_MOST_QUOTED = 5
_OFFERED = 8
# One wrong letter in five: less, and every word is like some name.
_IS_LIKE = 0.8
_JOINING = ("called", "named", "containing", "like")
_LEVEL_WORDS = "|".join(sorted(LEVEL_OF, key=len, reverse=True))


@dataclass(frozen=True, slots=True)
class NamedEntity:
    """An account, campaign, ad set or ad; `name` is text of others."""

    level: str
    entity_id: str
    account_id: str
    name: str
    spoken: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Pattern:
    """All entities of a level whose names have these words."""

    level: str
    words: str


class Names:
    """The names in the warehouse, looked up as a question needs them.

    `is_word` says whether a word looks like one of the dictionary's: then it is no misspelt name.
    """

    def __init__(
        self,
        connection: Connection[Any],
        accounts: Sequence[str] | None,
        is_word: Callable[[str], bool],
    ) -> None:
        self._connection = connection
        self._is_word = is_word
        self._accounts = list(accounts) if accounts is not None else None

    def mark(self, text: Text, left: Sequence[str]) -> None:
        """Put a mark in place of each name; `left` are the words nothing else explained.

        Raises CannotRead where several entities are meant equally, or too many words are left.
        """
        if len(left) > _MOST_UNEXPLAINED:
            raise CannotRead(
                f"{len(left)} words are not understood, among them {left[0]!r}: put a name into "
                "quotation marks, and ask for one thing.",
                words=left,
            )
        if len(text.quoted) > _MOST_QUOTED:
            raise CannotRead(
                f"{len(text.quoted)} names are in quotation marks: ask for {_MOST_QUOTED} at most.",
                words=text.quoted,
            )
        # Quotation marks first: in them anything is a name, also words that mean something else.
        for position, quoted in enumerate(text.quoted):
            mark = f"<quoted {position}>"
            at = text.tokens.index(mark)
            level = _level_beside(text.tokens, at, at + 1)
            entity = self._of_quoted(quoted, level)
            text.line = text.line.replace(mark, text.mark("entity", entity))
        # Ids of Meta are long; shorter numbers are counts and years.
        ids = [word for word in left if re.fullmatch(r"act_\d+|\d{5,}", word)]
        for word in ids:
            rows = self._select("entity.entity_id IN (%(it)s, 'act_' || %(it)s)", {"it": word})
            if rows:
                text.replace(re.escape(word), lambda _, one=rows[0]: text.mark("entity", one))  # type: ignore[misc]
        wanted = [word for word in left if word not in ids and len(word) > 1]
        if wanted:
            self._mark_words(text, wanted)

    def near(self, word: str) -> list[str]:
        """Names that look like a word."""
        names = {one.name for one in self._newest}
        # Looser than what is taken for the word itself: this is only offered.
        return alike(word, sorted(names), cutoff=0.5)

    def _mark_words(self, text: Text, left: list[str]) -> None:
        candidates = self._containing(left)
        named = [(one, words(one.name)) for one in candidates]
        # Of the thousand ads that are called the same one will do.
        names = "\n".join(dict.fromkeys(f" {' '.join(name)} " for _, name in named))
        while True:
            tokens = text.tokens
            longest = _longest(tokens, left, names)
            if longest is None:
                break
            start, stop = longest
            level = _level_beside(tokens, start, stop)
            spoken = tuple(tokens[start:stop])
            matching = [one for one, name in named if _has(name, list(spoken))]
            mark = text.mark("entity", _narrowed(" ".join(spoken), matching, level))
            before = tokens[:start]
            # "The campaign called X": the joining word has done its work.
            while before and before[-1] in _JOINING:
                before.pop()
            text.line = " ".join([*before, mark, *tokens[stop:]])
        self._mark_misspelt(text, left)

    def _mark_misspelt(self, text: Text, left: list[str]) -> None:
        """A word no name has, but one name has nearly: that one is meant."""
        for token in dict.fromkeys(text.tokens):
            # Short words are like too many: one letter is a third of them.
            if token not in left or len(token) < 4 or self._is_word(token):
                continue
            known = self._spellings
            spelt = alike(token, known, cutoff=_IS_LIKE, most=MOST_COMPARED)
            near = sorted({position for word in spelt for position in known[word]})
            if near:
                entity = _the_one(token, [self._newest[position] for position in near])
                text.replace(re.escape(token), lambda _, entity=entity: text.mark("entity", entity))  # type: ignore[misc]

    def _of_quoted(self, quoted: str, level: tuple[str, bool] | None) -> NamedEntity | Pattern:
        spoken = words(quoted)
        containing = self._containing(spoken) if spoken else []
        matching = [one for one in containing if _has(words(one.name), spoken)]
        if not matching:
            raise CannotRead(
                f"Nothing is called {quoted!r}.", words=[quoted], near=self.near(quoted)
            )
        return _narrowed(quoted.strip(), matching, level)

    def _containing(self, wanted: Iterable[str]) -> list[NamedEntity]:
        # A wide net: `_has` compares whole words afterwards. In LIKE an underscore is any
        # character.
        patterns = [f"%{word.replace('_', ' ')}%" for word in wanted]
        return self._select("entity.name ILIKE ANY (%(patterns)s)", {"patterns": patterns})

    @cached_property
    def _spellings(self) -> Mapping[str, Sequence[int]]:
        """The words of the newest names, each once, and which of these names have it."""
        spellings: dict[str, list[int]] = defaultdict(list)
        for position, one in enumerate(self._newest):
            for word in words(one.name):
                spellings[word].append(position)
        return spellings

    @cached_property
    def _newest(self) -> list[NamedEntity]:
        # Ads are too many to be compared letter by letter, and their names are rarely typed.
        return self._select("entity.level IN ('account', 'campaign')", {}, limit=_LOOKED_THROUGH)

    def _select(
        self, condition: str, params: dict[str, Any], limit: int = _CANDIDATES
    ) -> list[NamedEntity]:
        rows = self._connection.execute(
            f"""SELECT level, entity_id, account_id, name FROM ({_ENTITIES}) AS entity
                WHERE {condition}
                  AND (%(accounts)s::text[] IS NULL OR account_id = ANY (%(accounts)s))
                ORDER BY array_position(ARRAY['account', 'campaign', 'adset', 'ad'], level),
                         entity_id
                LIMIT {limit}""",
            {**params, "accounts": self._accounts},
        ).fetchall()
        return [NamedEntity(*row) for row in rows]


def _longest(tokens: list[str], left: Sequence[str], names: str) -> tuple[int, int] | None:
    """The longest run of words that has one left over and is part of a name, the first of them.

    `names` has each name's words with a space around each.
    """
    best: tuple[int, int] | None = None
    length = 0
    for start in range(len(tokens)):
        to_left = next((n for n, token in enumerate(tokens[start:], 1) if token in left), None)
        if to_left is None:
            break
        # Part of a name is every shorter run, too: only what would be the best is looked for.
        stop = start + max(to_left, length + 1)
        while stop <= len(tokens) and f" {' '.join(tokens[start:stop])} " in names:
            best, length = (start, stop), stop - start
            stop += 1
    return best


def _narrowed(
    spoken: str, matching: list[NamedEntity], level: tuple[str, bool] | None
) -> NamedEntity | Pattern:
    """Of those that match, the ones of the level named beside; a plural means all of them.

    "nordwind's campaigns" are those of the account, where one is called so.
    """
    if level is not None:
        named, is_plural = level
        of_level = [one for one in matching if one.level == named]
        has_account = any(one.level == "account" for one in matching)
        if is_plural and named != "account" and of_level and not has_account:
            return Pattern(named, spoken)
        if not is_plural or named == "account":
            matching = of_level
    # Who is called exactly so goes before those whose longer name has the words in it.
    same = [one for one in matching if words(one.name) == words(spoken)]
    return _the_one(spoken, same or matching)


def _the_one(spoken: str, candidates: list[NamedEntity]) -> NamedEntity:
    """The only one at the coarsest level; several of one level are asked for."""
    if not candidates:
        raise CannotRead(f"Nothing is called {spoken!r}.", words=[spoken])
    level = min((one.level for one in candidates), key=LEVELS.index)
    coarsest = [one for one in candidates if one.level == level]
    same = {one.level for one in candidates if words(one.name) == words(spoken)}
    if len(coarsest) == 1 and len(same) <= 1:
        return coarsest[0]
    offered = coarsest if len(coarsest) > 1 else candidates
    kinds = " and ".join(sorted({f"{one.level}s" for one in offered}))
    raise CannotRead(
        f"{spoken!r} can mean {len(offered)} {kinds}: say which, by its id.",
        words=[spoken],
        choices=[(f"{one.level} {one.name}", one.entity_id) for one in offered[:_OFFERED]],
    )


def _has(name: list[str], run: list[str]) -> bool:
    length = len(run)
    return any(name[at : at + length] == run for at in range(len(name) - length + 1))


def _level_beside(tokens: list[str], start: int, stop: int) -> tuple[str, bool] | None:
    """The level named right before or after, and whether it is a plural."""
    before = re.search(
        rf"(?:^| )(?<!by )(?<!per )(?<!across )(?<!and )({_LEVEL_WORDS})"
        r"(?: (?:called|named|containing|like|id|number))?$",
        " ".join(tokens[:start]),
    )
    after = re.match(rf"({_LEVEL_WORDS})(?: |$)", " ".join(tokens[stop:]))
    for match in (before, after):
        if match:
            return LEVEL_OF[match[1]], match[1] in PLURALS
    return None


_ENTITIES = """
    SELECT 'account' AS level, account_id AS entity_id, account_id, coalesce(name, '') AS name
    FROM meta_ads.meta_ad_accounts
    UNION ALL
    SELECT 'campaign', campaign_id, account_id, coalesce(name, '') FROM meta_ads.meta_campaigns
    UNION ALL
    SELECT 'adset', adset_id, account_id, coalesce(name, '') FROM meta_ads.meta_adsets
    UNION ALL
    SELECT 'ad', ad_id, account_id, coalesce(name, '') FROM meta_ads.meta_ads
"""
