"""Text of others costs by its length: nothing in it is searched again and again."""

from __future__ import annotations

import subprocess
import sys

import pytest

UNITS = [
    *("a", "1", " ", "_", ".", ",", "\\", '"', '"\\\\', "a, ", "a[a]", "got ", "a://", "a://a:"),
    *("a://a:b@ ", "password=", "password ='", "bearer ", "://a:", "\\t=", "; ", "[(", "&#", "x="),
]
# In a process of its own, which can be ended: none of it lets go of the interpreter.
_PROGRAM = """
import sys
from datetime import UTC, datetime
from meta_pipeline.graph.error_answer import Refusal, error_of
from meta_pipeline.nesting import cut_text
from meta_pipeline.printable import link, markdown, slack, spreadsheet_cell
from meta_pipeline.redaction import redact
from meta_pipeline.warehouse.redaction import redacted, without_secrets

def refused(text):
    for told in (" is not valid for fields param", " nonexisting field", " must be one of", ""):
        for where in ("message", "error_user_msg"):
            for said in (text, text[:4000]):
                error = {"code": 100, "error_user_title": text, where: f"{said}!{told}"}
                error["error_data"] = {"blame_field_specs": [text]}
                error_of(Refusal.of(error), now=datetime.now(UTC), http_status=400)

def cut_deep(text):
    cut_text("[" * 300 + '"' + text)

ways = (refused, cut_deep, redact, redacted, without_secrets)
ways += (link, markdown, slack, spreadsheet_cell)
for unit in sys.argv[1:]:
    for way in ways:
        print(way.__name__, repr(unit), flush=True)
        way(unit * (60_000 // len(unit)))
"""


@pytest.mark.parametrize("units", [UNITS[:8], UNITS[8:16], UNITS[16:]], ids=["a", "b", "c"])
def test_long_text_is_read_through(units: list[str]) -> None:
    """At a quadratic cost each would take minutes."""
    subprocess.run(
        [sys.executable, "-c", _PROGRAM, *units],
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    )
