"""Printable: text of others (names, Meta's messages, files, input) made fit for where it goes.

A terminal obeys escape sequences, a spreadsheet runs formulas, a chat renders links. Whatever is
not our own literal passes through here on its way there. HTML has the standard library's `escape`.
"""

from __future__ import annotations

import re
from urllib.parse import quote

# Direction marks, embeddings, overrides and isolates: they make a line read otherwise than it is.
_DIRECTIONS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_CONTROLS = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_DIRECTIONS}\ufeff]")
_BREAKS = re.compile("\r\n|[\x85\u2028\u2029]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_SPACES = re.compile(r"\s+")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*\s?%?")
_SIGNS = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
_FORMULA = re.compile(rf"\s*{_SIGNS}|[\t\r\n]")
# Where a semicolon parts cells, or a tab, the quotes of ours are not at a cell's beginning: there
# neither they nor a line break in them keep a text in its cell.
_BEFORE_FORMULA = re.compile(rf'(?<![;\s"])[;\s"]++(?={_SIGNS})')
_PARTS_CELLS = re.compile(r"[;\t\r\n]")
_MARKDOWN = re.compile(
    r"([\\`*\[\]<>|~])|(&(?=#?\w+;))|(?<!\w)(_)|(_)(?!\w)|^([#+=-])|(?<=^\d)([.)])"
)
_AUTOLINK = re.compile(r"(?i)\b(https?|ftp|mailto|tel|www)(?=[:.])|@(?=\w)")
# The last is a link of Markdown, which others that take Slack's messages know.
_STYLES = re.compile(r"[*~`]|(?<!\w)_|_(?!\w)|(?<=\])(?=\()")
_JOINER = "\u2060"


def printable(text: str) -> str:
    """The text without what a terminal would obey: controls, escapes, changes of direction.

    Line breaks and tabs stay. Half a surrogate pair, which no encoding can write, becomes U+FFFD.
    """
    broken = _BREAKS.sub("\n", text)
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", broken))


def one_line(text: str) -> str:
    """The text as `printable` gives it, on one line: a name cannot pretend to be a line of ours."""
    return _SPACES.sub(" ", printable(text)).strip()


def spreadsheet_cell(value: object) -> object:
    """A value for a CSV file: text that a spreadsheet would run as a formula gets an apostrophe.

    Only text: numbers, and text that is nothing but a number, stay as they are. Also within it,
    where a spreadsheet that parts cells otherwise would find a cell.
    """
    if not isinstance(value, str):
        return value
    text = _BEFORE_FORMULA.sub(
        lambda match: _PARTS_CELLS.sub(r"\g<0>'", match[0]), _SURROGATES.sub("\ufffd", value)
    )
    is_formula = _FORMULA.match(text) and not _NUMBER.fullmatch(text.strip())
    return f"'{text}" if is_formula else text


def link(url: str) -> str:
    """The address for a link in a chat: whatever could end it there is percent-encoded."""
    return quote(_SURROGATES.sub("\ufffd", url), safe=":/?#@!$&'*+,;=%~[]")


def markdown(text: str) -> str:
    """The text for a chat or a Markdown page: one line that styles, links and mentions nothing."""
    linkless = _AUTOLINK.sub(lambda match: f"{match[0]}{_JOINER}", one_line(text))
    return _MARKDOWN.sub(lambda match: f"\\{match[0]}", linkless)


def markdown_lines(text: str) -> str:
    """As `markdown`, line by line: for Dagster, which shows the description of an event as such."""
    return "\n".join(map(markdown, printable(text).split("\n")))


def slack(text: str) -> str:
    """The text for Slack, whose marks have no escape: none of them begins a style or a mention."""
    linkless = _AUTOLINK.sub(lambda match: f"{match[0]}{_JOINER}", one_line(text))
    entities = linkless.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _STYLES.sub(lambda match: f"{_JOINER}{match[0]}", entities)
