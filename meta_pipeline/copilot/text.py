"""A question as a row of words, of which those that were understood are taken out one by one.

What is understood becomes one mark in place of its words (`<metric 0>`), so that later patterns
see marks instead of words, and whatever is neither mark nor filler at the end was not understood.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

# Reading is a row of regular expressions over the line: a question is short, a paste is not.
MAX_CHARACTERS = 500
_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|„([^“”]+)[“”]|«([^»]+)»|(?<!\w)'([^']+)'(?!\w)")
_WORD = re.compile(
    r"act_\d+(?:['\u2019]s)?|\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./]\d{4}"
    r"|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+|[^\W_]+(?:['\u2019][^\W_]+)*|[€$£%]"
)
_NUMBERS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
).split()
NUMBERS = {word: number for number, word in enumerate(_NUMBERS, start=1)}
_POSSESSIVE = re.compile(r"['\u2019]s$|['\u2019]$")


def folded(text: str) -> str:
    """As words are compared: without regard to capitals, width and composition."""
    # casefold, not lower: "ß" and "SS" are then the same word.
    return unicodedata.normalize("NFKC", text).casefold()


def words(text: str) -> list[str]:
    """The words of a text, as a question has them."""
    return [
        _POSSESSIVE.sub("", word).replace("\u2019", "'") for word in _WORD.findall(folded(text))
    ]


@dataclass
class Text:
    """The words left, with a mark for each part that was understood; `marks` has what it means."""

    line: str
    marks: dict[str, list[Any]] = field(default_factory=dict)
    quoted: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, question: str) -> Text:
        """The words of a question; text in quotation marks is a name, never a word."""
        marked = cls("")

        def name(match: re.Match[str]) -> str:
            marked.quoted.append(next(part for part in match.groups() if part is not None))
            # A word until the line is split: a mark's brackets would be lost with the other
            # punctuation.
            return f" quoted{len(marked.quoted) - 1}quoted "

        plain = _QUOTED.sub(name, unicodedata.normalize("NFKC", question))
        line = " ".join(words(plain))
        marked.line = re.sub(r"quoted(\d+)quoted", r"<quoted \1>", line)
        return marked

    def mark(self, kind: str, meaning: Any) -> str:
        """A new mark that stands for `meaning`."""
        kept = self.marks.setdefault(kind, [])
        kept.append(meaning)
        return f"<{kind} {len(kept) - 1}>"

    def meaning(self, mark: str) -> Any:
        """What a mark stands for."""
        kind, number = mark.strip("<>").split(" ")
        return self.marks[kind][int(number)]

    def replace(self, pattern: str, by: Callable[[re.Match[str]], str | None]) -> None:
        """Put what `by` gives in place of each match of whole words; None leaves it alone."""

        def one(match: re.Match[str]) -> str:
            given = by(match)
            return match[0] if given is None else given

        line = _whole(pattern).sub(one, self.line)
        self.line = " ".join(line.split())

    def take(self, pattern: str) -> re.Match[str] | None:
        """Take the first match of whole words out; None where there is none."""
        match = _whole(pattern).search(self.line)
        if match is not None:
            self.line = " ".join(f"{self.line[: match.start()]} {self.line[match.end() :]}".split())
        return match

    def has(self, pattern: str) -> bool:
        return _whole(pattern).search(self.line) is not None

    @property
    def tokens(self) -> list[str]:
        """Words and marks, in order."""
        return re.findall(r"<[a-z]+ \d+>|\S+", self.line)


# Kept here: the cache of `re` is shared with everybody in the process, and forgets.
_PATTERNS: dict[str, re.Pattern[str]] = {}


def _whole(pattern: str) -> re.Pattern[str]:
    if pattern not in _PATTERNS:
        _PATTERNS[pattern] = re.compile(rf"(?<![^\s])(?:{pattern})(?![^\s])")
    return _PATTERNS[pattern]
