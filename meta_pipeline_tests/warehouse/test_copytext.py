"""COPY text: whatever Python value goes in, Postgres reads the same one out."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import psycopg
import psycopg.types.json
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import JSONB

from meta_pipeline.warehouse.write.copytext import Cleaned, CopyText, render

TABLE = sa.Table(
    "t",
    sa.MetaData(),
    sa.Column("a", sa.Text),
    sa.Column("n", sa.Numeric),
    sa.Column("j", JSONB),
    sa.Column("d", sa.Date),
    sa.Column("t", sa.DateTime(timezone=True)),
    sa.Column("b", sa.Boolean),
)
COLUMNS = tuple(column.name for column in TABLE.columns)


@pytest.fixture
def table(database_url: str) -> Any:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "CREATE TEMP TABLE t (line serial, a text, n numeric, j jsonb, d date, "
            "t timestamptz, b boolean)"
        )
        yield connection


def through(
    connection: psycopg.Connection[Any], *rows: list[Any]
) -> tuple[list[Any], list[Cleaned]]:
    """The rows as Postgres gives them back, and what had to be cleaned."""
    cleaned: list[Cleaned] = []
    text = CopyText(TABLE, COLUMNS, cleaned.append)
    connection.execute("TRUNCATE t")
    with connection.cursor().copy(f"COPY t ({', '.join(COLUMNS)}) FROM STDIN") as copy:
        copy.write(text.format(rows))
    assert text.cleaned == len(cleaned)
    found = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM t ORDER BY line")
    return [list(row) for row in found], cleaned


def one(connection: psycopg.Connection[Any], **values: Any) -> tuple[list[Any], list[Cleaned]]:
    row = dict.fromkeys(COLUMNS) | values
    (found,), cleaned = through(connection, [row[name] for name in COLUMNS])
    return [found[COLUMNS.index(name)] for name in values], cleaned


def test_every_kind_of_value(table: psycopg.Connection[Any]) -> None:
    moment = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)
    row: list[Any] = [
        "x",
        Decimal("12.3400"),
        {"k": [1, None, 2.5, True]},
        date(2026, 3, 29),
        moment,
        False,
    ]
    empty: list[Any] = [None] * 6
    found, cleaned = through(table, row, empty)
    assert found == [row, empty]
    assert cleaned == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\\N",
        "\\",
        "\\.",
        "tab\there",
        "line\nbreak\r\n",
        "'); DROP TABLE t; --",
        '"quoted"',
        "emoji \N{FACE WITH TEARS OF JOY} \N{ZERO WIDTH JOINER}",
        "x" * 100_000,
        "a\\u0000b is just text",
    ],
)
def test_text_survives(table: psycopg.Connection[Any], text: str) -> None:
    found, cleaned = one(table, a=text, j={"k": text, text or "-": 1})
    assert found == [text, {"k": text, text or "-": 1}]
    assert cleaned == []


@pytest.mark.parametrize("beside", [1, 10**40, "half \ud83d"])
def test_what_is_no_finite_number_is_null_in_json(
    table: psycopg.Connection[Any], beside: Any
) -> None:
    (found,), _ = one(table, j=[float("inf"), {"k": float("-inf")}, float("nan"), beside])
    assert found[:3] == [None, {"k": None}, None]


DIGITS = "12345678901234567890.12345678901234567890"


@pytest.mark.parametrize(
    ("value", "beside"),
    [
        ([Decimal(DIGITS), "half \ud83d"], "half \ufffd"),
        ([Decimal(DIGITS), {"half \ud83d": 1, 2: None}], {"half \ufffd": 1, "2": None}),
        ([Decimal(DIGITS), 2**70], 2**70),
        (f'[{DIGITS}, "whole \\ud83d\\ude02"]'.encode(), "whole \N{FACE WITH TEARS OF JOY}"),
        (f'[{DIGITS}, "half \\ud83d \\\\ud83d"]'.encode(), "half \ufffd \\ud83d"),
    ],
)
def test_what_stands_beside_odd_text_loses_no_digit(
    table: psycopg.Connection[Any], value: Any, beside: Any
) -> None:
    psycopg.types.json.set_json_loads(partial(json.loads, parse_float=Decimal), table)
    assert one(table, j=value)[0] == [[Decimal(DIGITS), beside]]


@given(st.lists(st.text(alphabet='\n\r\t\\\x0b\x0c\x1c\x85\u2028a"', max_size=6), min_size=2))
def test_halves_are_the_same_rows(texts: list[str]) -> None:
    columns = ["a", "j"]
    rows = [(text, [text]) for text in texts]
    first, second = render(TABLE, columns, rows).halves()
    middle = len(rows) // 2
    assert first == render(TABLE, columns, rows[:middle])
    assert second == render(TABLE, columns, rows[middle:])


def test_a_bad_character_in_one_row_leaves_its_neighbours_alone(
    table: psycopg.Connection[Any],
) -> None:
    rows: list[list[Any]] = [
        ["plain", 1, ["x\ty"], None, None, None],
        ["a\tb\\", None, None, None, None, True],
    ]
    assert through(table, *rows)[0] == rows


@pytest.mark.parametrize(
    ("value", "kept"),
    [("a\x00b", "ab"), ("\x00", ""), ("\x00\\\t", "\\\t")],
)
def test_nul_is_stripped_and_told(table: psycopg.Connection[Any], value: str, kept: str) -> None:
    found, cleaned = one(table, a=value)
    assert found == [kept]
    assert [(one.column, one.reason, one.kept) for one in cleaned] == [("a", "nul_character", kept)]
    assert cleaned[0].row[0] == value


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"k\x00": "a\x00b\\u0000"}, {"k": "ab\\u0000"}),
        (b'{"k": "a\\u0000b", "l": "\\\\u0000"}', {"k": "ab", "l": "\\u0000"}),
    ],
)
def test_nul_in_json_is_stripped_and_told(
    table: psycopg.Connection[Any], value: Any, kept: Any
) -> None:
    found, cleaned = one(table, j=value)
    assert found == [kept]
    assert [(one.column, one.reason) for one in cleaned] == [("j", "nul_character")]


def test_half_a_surrogate_pair_is_replaced_and_told(table: psycopg.Connection[Any]) -> None:
    found, cleaned = one(table, a="cut \ud83d", j={"k": "cut \ud83d"})
    assert found == ["cut \ufffd", {"k": "cut \ufffd"}]
    assert sorted((one.column, one.reason) for one in cleaned) == [
        ("a", "lone_surrogate"),
        ("j", "lone_surrogate"),
    ]


def test_two_halves_are_one_character(table: psycopg.Connection[Any]) -> None:
    found, cleaned = one(table, a="\ud83d\ude02", j=b'["\\ud83d\\ude02"]')
    assert found == ["\N{FACE WITH TEARS OF JOY}", ["\N{FACE WITH TEARS OF JOY}"]]
    assert cleaned == []


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("text", "text"),
        (2**70, 2**70),
        (Decimal("0.1000000000000000000001"), Decimal("0.1000000000000000000001")),
        ({1: date(2026, 1, 2)}, {"1": "2026-01-02"}),
        (b' { "k" :\n 1 } ', {"k": 1}),
        (False, False),
        (float("nan"), None),
    ],
)
def test_values_for_a_json_column(table: psycopg.Connection[Any], value: Any, kept: Any) -> None:
    psycopg.types.json.set_json_loads(partial(json.loads, parse_float=Decimal), table)
    assert one(table, j=value)[0] == [kept]


def test_a_row_of_another_length_is_refused() -> None:
    text = CopyText(TABLE, COLUMNS)
    with pytest.raises(ValueError, match="every row must have 6 values"):
        text.format([["x"] * 6, ["x"] * 5])
    with pytest.raises(ValueError, match="every row must have 6 values"):
        text.format([["x"] * 7])
    assert text.format([]) == b""


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match="object cannot be written as JSON"):
        CopyText(TABLE, ["j"]).format([[object()]])


NASTY = st.sampled_from('\x00\\\t\n"\ud83d\ude02')
ANY_TEXT = st.text(st.characters() | NASTY, max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200)
@given(rows=st.lists(st.tuples(st.none() | ANY_TEXT, st.none() | JSON), min_size=1, max_size=5))
def test_anything_comes_back_but_for_what_was_told(
    table: psycopg.Connection[Any], rows: list[tuple[Any, Any]]
) -> None:
    found, cleaned = through(table, *([a, 1, j, None, None, None] for a, j in rows))
    told = {(tuple(map(repr, one.row)), one.column) for one in cleaned}
    for row, (a, _, j, *_) in zip(rows, found, strict=True):
        key = tuple(map(repr, (row[0], 1, row[1], None, None, None)))
        assert a == _joined(row[0]) or (key, "a") in told
        assert j == _joined(row[1]) or (key, "j") in told


def _joined(value: Any) -> Any:
    """The value with two halves of a character as that character, which they are."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    if isinstance(value, list):
        return [_joined(inner) for inner in value]
    if isinstance(value, dict):
        return {_joined(key): _joined(inner) for key, inner in value.items()}
    return value
