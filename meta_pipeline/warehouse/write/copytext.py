"""Copy text: rows of Python values as bytes of COPY's text format, a column at a time.

Working by column instead of by value is what makes it fast: a chunk's values of one column are
joined once and looked at once, and only a column that holds a character COPY would misread is
escaped value by value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from meta_pipeline.nesting import TOO_DEEP, cut

NULL = "\\N"

Reason = Literal["nul_character", "lone_surrogate", "too_deep"]
Column = Sequence[object]
Texts = Sequence[str]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A value that Postgres cannot hold as it came, and what was kept of it."""

    column: str
    reason: Reason
    kept: str
    row: tuple[object, ...]


OnCleaned = Callable[[Cleaned], None]

# What COPY's text format gives a meaning to (docs of COPY, "Text Format").
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
# An escaped NUL: an odd number of backslashes; an even one is backslashes, and then a word.
_NUL_IN_JSON = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_SURROGATE_IN_JSON = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89a-fA-F][0-9a-fA-F]{2})")
# Keys that are numbers become text; without it orjson refuses the whole value.
_JSON_OPTIONS = orjson.OPT_NON_STR_KEYS


@dataclass(frozen=True, slots=True)
class Rendered:
    """Rows as COPY text: made by `render` in any thread, taken by `upsert`."""

    text: bytes
    count: int
    cleaned: int = 0

    def halves(self) -> tuple[Rendered, Rendered]:
        """The first and the second half of the rows: a row is a line, whatever is in it."""
        lines = self.text.splitlines(keepends=True)
        middle = self.count // 2
        return (
            Rendered(b"".join(lines[:middle]), middle),
            Rendered(b"".join(lines[middle:]), self.count - middle),
        )


def render(
    table: sa.Table,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    on_cleaned: OnCleaned | None = None,
) -> Rendered:
    """Turn rows into COPY text ahead of their `upsert`, whose connection is then held shorter.

    Values and `on_cleaned` as CopyText's. Raises ValueError when a row has another length.
    """
    form = CopyText(table, columns, on_cleaned)
    return Rendered(form.format(rows), len(rows), form.cleaned)


class CopyText:
    """Turns chunks of rows into COPY text for the given columns of a table.

    Values may be str, int, float, Decimal, bool, date, datetime or None; for a jsonb column
    anything orjson takes (dicts, lists, str and numbers as JSON values), or bytes that already are
    JSON. NUL characters, and half surrogate pairs, are taken out (a surrogate becomes U+FFFD);
    `on_cleaned` hears of each value that was changed so.
    """

    def __init__(
        self, table: sa.Table, columns: Sequence[str], on_cleaned: OnCleaned | None = None
    ) -> None:
        self._names = tuple(columns)
        self._is_json = tuple(isinstance(table.c[name].type, JSONB) for name in columns)
        self._on_cleaned = on_cleaned
        self.cleaned = 0

    def format(self, rows: Sequence[Sequence[object]]) -> bytes:
        """The rows as COPY text, a line each. Raises ValueError when a row has another length."""
        if not rows:
            return b""
        try:
            columns = list(zip(*rows, strict=True))
        except ValueError:
            columns = []
        if len(columns) != len(self._names):
            raise ValueError(f"every row must have {len(self._names)} values: {self._names}")
        texts = [self._texts(index, column, rows) for index, column in enumerate(columns)]
        lines = "\n".join(map("\t".join, zip(*texts, strict=True)))
        # Nothing is looked for beforehand: only a lone surrogate cannot be encoded, and hardly
        # ever is there one.
        try:
            return lines.encode() + b"\n"
        except UnicodeEncodeError:
            texts = [self._without_surrogates(i, texts[i], rows) for i in range(len(texts))]
            return "\n".join(map("\t".join, zip(*texts, strict=True))).encode() + b"\n"

    def _texts(self, index: int, column: Column, rows: Sequence[Sequence[object]]) -> Texts:
        texts = _jsons(column) if self._is_json[index] else _plain(column)
        blob = "".join(texts)
        if self._is_json[index] and TOO_DEEP in blob:
            for text, row in zip(texts, rows, strict=True):
                if TOO_DEEP in text:
                    self._report(index, "too_deep", text, row)
        # Every NULL brings one backslash; more than those means that a value has one.
        if blob.count("\\") == column.count(None) and not (
            "\x00" in blob or "\t" in blob or "\n" in blob or "\r" in blob
        ):
            return texts
        escape = self._escape_json if self._is_json[index] else self._escape_plain
        return [
            NULL if value is None else escape(index, text, row)
            for value, text, row in zip(column, texts, rows, strict=True)
        ]

    def _escape_plain(self, index: int, text: str, row: Sequence[object]) -> str:
        if "\x00" in text:
            text = text.replace("\x00", "")
            self._report(index, "nul_character", text, row)
        return text.translate(_ESCAPES)

    def _escape_json(self, index: int, text: str, row: Sequence[object]) -> str:
        if "\\u0000" in text and (kept := _NUL_IN_JSON.sub(r"\1", text)) != text:
            text = kept
            self._report(index, "nul_character", text, row)
        if _SURROGATE_IN_JSON.search(text):
            # Escaped surrogates appear only in JSON we were handed or in what orjson refused. They
            # are mended where they stand: read and written again, numbers would lose digits.
            text, is_lossy = _mend(
                _SURROGATE_IN_JSON.sub(lambda one: one[1] + chr(int(one[2], 16)), text)
            )
            if is_lossy:
                self._report(index, "lone_surrogate", text, row)
        return text.translate(_ESCAPES)

    def _without_surrogates(
        self, index: int, texts: Texts, rows: Sequence[Sequence[object]]
    ) -> Texts:
        mended = [_mend(text) for text in texts]
        for (text, is_lossy), row in zip(mended, rows, strict=True):
            if is_lossy:
                self._report(index, "lone_surrogate", text, row)
        return [text for text, _ in mended]

    def _report(self, index: int, reason: Reason, kept: str, row: Sequence[object]) -> None:
        self.cleaned += 1
        if self._on_cleaned is not None:
            self._on_cleaned(Cleaned(self._names[index], reason, kept, tuple(row)))


def _plain(column: Column) -> Texts:
    """Text of plain values: str() of a date, a number or a bool is what Postgres reads."""
    if set(map(type, column)) == {str}:
        return column  # type: ignore[return-value]
    if len(set(map(id, column))) == 1:  # such as the time of the read
        return [NULL if column[0] is None else str(column[0])] * len(column)
    return [NULL if value is None else str(value) for value in column]


def _jsons(column: Column) -> Texts:
    dumps = orjson.dumps
    try:
        return [
            NULL if value is None else dumps(value, _json_default, _JSON_OPTIONS).decode()
            for value in column
        ]
    except TypeError:
        return [NULL if value is None else _json(value) for value in column]


def _json(value: object) -> str:
    if type(value) is bytes:
        return value.decode("utf-8", "surrogatepass")
    return _piecewise(cut(value))


def _piecewise(value: Any) -> str:
    """JSON of what orjson may refuse: each piece that it takes is written by it, to the digit."""
    with suppress(TypeError):
        return orjson.dumps(value, _json_default, _JSON_OPTIONS).decode()
    if isinstance(value, dict):
        # A key is text, whatever it was.
        keys = (key if key.startswith('"') else f'"{key}"' for key in map(_piecewise, value))
        pairs = zip(keys, map(_piecewise, value.values()), strict=True)
        return f"{{{','.join(map(':'.join, pairs))}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_piecewise, value))}]"
    # Half surrogates and integers beyond 64 bits: rare, and the standard library takes them.
    return json.dumps(value, default=_json_default)


def _json_default(value: Any) -> Any:
    if isinstance(value, Decimal):
        # Digit by digit: as a float an amount would lose some, and jsonb keeps all of them.
        return orjson.Fragment(str(value)) if value.is_finite() else None
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _mend(text: str) -> tuple[str, bool]:
    """Join surrogates that are a pair; those that are not become U+FFFD, and that is a loss."""
    # In UTF-16 a pair is two units: encoded one by one, they are decoded as the character they are.
    units = text.encode("utf-16", "surrogatepass")
    mended = units.decode("utf-16", "replace")
    return mended, mended != units.decode("utf-16", "surrogatepass")
