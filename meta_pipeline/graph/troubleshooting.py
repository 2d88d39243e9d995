"""Writes docs/troubleshooting.md from the policy table.

`python -m meta_pipeline.graph.troubleshooting > docs/troubleshooting.md`; a test says when the
page is behind the table.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import groupby

from meta_pipeline.graph.error_policy import (
    TABLE,
    UNKNOWN_LIMIT,
    UNKNOWN_RETRY,
    UNKNOWN_STOP,
    UNKNOWN_TOKEN,
)
from meta_pipeline.graph.error_rule import ErrorRule
from meta_pipeline.graph.errors import Treatment
from meta_pipeline.graph.pages import MOST_EMPTY_PAGES

WHAT_WE_DO: Mapping[Treatment, str] = {
    Treatment.RETRY: "asks again up to three times, after about 1, 2 and 4 seconds",
    Treatment.NEW_REPORT: "creates the report again; if that fails too, halves its range",
    Treatment.RESTART: "walks the edge again from its first page",
    Treatment.WAIT: "makes no more calls to what is blocked until the time Meta names",
    Treatment.SHRINK: "halves the page and goes on from the same cursor",
    Treatment.SPLIT: "halves what is asked: days, then ids",
    Treatment.GO_ASYNC: "asks for the same as an async report",
    Treatment.REAUTHORIZE: "stops; nothing can be read with this token",
    Treatment.SKIP: "goes on without this object and says so",
    Treatment.DROP_FIELD: "goes on without this field and records it",
    Treatment.DROP_VALUE: "goes on without this value and records it",
    Treatment.DROP_UNIQUE: "asks for these days without unique counts, else leaves them out",
    Treatment.CLAMP: "starts the range later",
    Treatment.STOP: "stops this request; asking again would fail again",
}

INTRO = """\
# Troubleshooting

Every error of the Graph API that meta_pipeline knows, by code and subcode. An error message ends
with both (`[code 80004/2446079, HTTP 400, fbtrace_id …]`); look for `code/subcode` first, then for
`code` alone. A code that is not here is handled as described under
[Codes without an entry](#codes-without-an-entry).

The same facts are in `meta_api_logs` (`error_code`, `error_subcode`, `fbtrace_id`, `throttled`) for
every attempt. Limits come as HTTP 400 or 403 with a code, hardly ever as 429. When you report an
error to Meta, give the `fbtrace_id`.

This page is written from the policy table `meta_pipeline/graph/error_policy.py`; change it there,
then run `python -m meta_pipeline.graph.troubleshooting > docs/troubleshooting.md`.

## Without a code

### No answer
`ConnectionLost`: the connection was refused or dropped, or nothing came in time.

- **The pipeline** asks again up to three times, after about 1, 2 and 4 seconds.
- **You** check the network, a proxy, `META_GRAPH_URL`.

### Malformed answer
`MalformedAnswer`: an answer that is not the Graph API's: HTML, an empty or half a body, a list or
a text instead of an object, a page without `data`. Meta is known to send these with HTTP 200.

- **The pipeline** asks again up to three times; nothing of such an answer is stored.
- **You** do nothing, unless it lasts: then look whether a proxy answers in Meta's place.

### Paging loop
`PagingLoop`: the same cursor came twice, the same rows under new cursors again and again,
or {most_empty} empty pages in a row.

- **The pipeline** stops this edge rather than read for ever; what came before is kept.
- **You** run the sync again; report it if it repeats.

## By code
"""


def page() -> str:
    """The whole of docs/troubleshooting.md."""
    lines = [INTRO.replace("{most_empty}", str(MOST_EMPTY_PAGES))]
    ordered = sorted(TABLE, key=lambda rule: (rule.code, rule.subcode or 0, rule.text or ""))
    for key, group in groupby(ordered, key=lambda rule: rule.key):
        lines.append(f"### {key}")
        rules = list(group)
        for rule in rules:  # one code may mean several things, told apart by its text
            other = " (Any other text.)" if len(rules) > 1 else ""
            told = f" (The text contains “{rule.text}”.)" if rule.text else other
            lines += [
                f"{rule.meaning}{told}",
                "",
                f"- **The pipeline** {_what_we_do(rule)} (`{rule.error_class.__name__}`).",
                f"- **You**: {rule.next_step or 'nothing to do.'}",
                "",
            ]
    lines += ["## Codes without an entry", ""]
    for rule in (UNKNOWN_RETRY, UNKNOWN_LIMIT, UNKNOWN_TOKEN, UNKNOWN_STOP):
        lines.append(f"- {rule.meaning} The pipeline {_what_we_do(rule)}. {rule.next_step or ''}")
    return "\n".join(lines) + "\n"


def _what_we_do(rule: ErrorRule) -> str:
    if rule.treatment is Treatment.WAIT:
        seconds = rule.limit.wait_seconds if rule.limit else None
        if seconds is None:
            wait = "for 300 seconds (60 with Full access)"
        else:
            wait = f"for {seconds:g} second{'s' if seconds > 1 else ''}"
        return f"{WHAT_WE_DO[Treatment.WAIT]}, else {wait}"
    if rule.treatment is Treatment.RETRY and rule.shrinks:
        return "asks once more, then with pages of half the size"
    if rule.treatment is Treatment.GO_ASYNC and rule.retries:
        return f"tries it again a few times, then {WHAT_WE_DO[Treatment.GO_ASYNC]}"
    return WHAT_WE_DO[rule.treatment]


if __name__ == "__main__":
    sys.stdout.write(page())
