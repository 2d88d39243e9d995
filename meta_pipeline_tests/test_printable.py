"""Text of others as it goes to a terminal, a spreadsheet and a chat."""

from __future__ import annotations

import csv
import io
import logging
import re
import unicodedata
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meta_pipeline.plain_log import PlainFormatter
from meta_pipeline.printable import markdown, one_line, printable, slack, spreadsheet_cell

ANY = st.text(st.characters(codec=None))
_BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@given(ANY)
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    shown = printable(text)
    assert not [c for c in shown if unicodedata.category(c) == "Cc" and c not in "\n\t"]
    assert not _BIDI & set(shown)
    shown.encode()
    assert printable(shown) == shown


@given(ANY)
def test_a_name_stays_on_its_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_letters_digits_and_signs_stay_as_they_are(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3+cmd|' /C calc'!A0",
        "@SUM(A1)",
        " =1",
        "\t",
        "＝1+1",  # noqa: RUF001  # full width: a spreadsheet in Japanese runs it
        "-",
        '=HYPERLINK("http://evil","x")',
    ],
)
def test_a_formula_is_text_to_a_spreadsheet(text: str) -> None:
    assert spreadsheet_cell(text) == f"'{text}"


@pytest.mark.parametrize("before", ["", "a", "'"])
@pytest.mark.parametrize("sign", [";", "\t", "\r", "\n", "; "])
def test_a_formula_within_a_text_is_none_in_a_cell_of_its_own(before: str, sign: str) -> None:
    told = str(spreadsheet_cell(f"{before}{sign}=1"))
    assert told.lstrip("'") == f"{before}{sign[0]}'{sign[1:]}=1".lstrip("'")
    assert before or sign[0] == ";" or told[0] == "'"


@pytest.mark.parametrize(
    "value", [-1, -1.5, None, True, "-1.5", "+3", "12 %", "Shop", "a=b", "a; b", ""]
)
def test_numbers_and_plain_text_stay_as_they_are(value: object) -> None:
    assert spreadsheet_cell(value) == value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[link](http://x)", "\\[link\\](http\u2060://x)"),
        ("<!channel> *b* _i_ `c`", "\\<!channel\\> \\*b\\* \\_i\\_ \\`c\\`"),
        ("a\n# title", "a # title"),
        ("# title", "\\# title"),
        ("@everyone", "@\u2060everyone"),
        ("act_1: (#100) Spring_Sale", "act_1: (#100) Spring_Sale"),
    ],
)
def test_nothing_in_a_chat_message_is_markup(text: str, shown: str) -> None:
    assert markdown(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<!channel> Bob & Söhne", "&lt;!channel&gt; Bob &amp; Söhne"),
        ("*b* _i_ ~s~", "\u2060*b\u2060* \u2060_i\u2060_ \u2060~s\u2060~"),
        ("http://evil.example", "http\u2060://evil.example"),
        ("[pay](//evil.example)", "[pay]\u2060(//evil.example)"),
        ("act_1 is late", "act_1 is late"),
    ],
)
def test_nothing_in_a_slack_message_is_markup(text: str, shown: str) -> None:
    assert slack(text) == shown


@given(ANY)
def test_a_record_begins_one_line_of_the_log(text: str) -> None:
    record = logging.LogRecord("x", 30, "f", 1, "sync of %s", (text,), None)
    first, *more = PlainFormatter().format(record).split("\n")
    assert first.startswith("sync of ")
    assert all(line.startswith("  ") for line in more)


_QUOTINGS: tuple[Literal[0, 3], ...] = (csv.QUOTE_MINIMAL, csv.QUOTE_NONE)
_SHEETS = [(delimiter, quoting) for delimiter in ",;\t" for quoting in _QUOTINGS]


_RUNS = re.compile(r"\s*[=+@\-\uff1d](?!(?<=[+-])\d+([.,]\d+)*\s?%?\s*$)")
"""A formula; a number with its sign is none."""


@example(["+1"])
@example(["-1+1"])
@given(st.lists(st.text(st.sampled_from("=+-@;,\t\n\r \"'a1\uff1d")), min_size=1))
def test_no_cell_is_a_formula_however_a_spreadsheet_parts_the_file(names: list[str]) -> None:
    """Where the decimal sign is a comma, a semicolon parts cells, and our quotes begin none."""
    file = io.StringIO()
    csv.writer(file).writerow(["act_1", *map(spreadsheet_cell, names), "end"])
    for delimiter, quoting in _SHEETS:
        lines = io.StringIO(file.getvalue(), newline="")
        cells = [c for row in csv.reader(lines, delimiter=delimiter, quoting=quoting) for c in row]
        # Without quotes a comma within a name parts it: where it parts cells, quotes are read.
        if (delimiter, quoting) != (",", csv.QUOTE_NONE):
            assert not [cell for cell in cells if _RUNS.match(cell)]


def test_log_lines_are_plain() -> None:
    record = logging.LogRecord("x", 30, "f", 1, "sync of %s", ("\x1b[2J\u202eShop",), None)
    assert PlainFormatter().format(record) == "sync of [2JShop"
