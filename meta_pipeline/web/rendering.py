"""Templates to pages: one environment that escapes everything, and what every page needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from meta_pipeline.printable import printable
from meta_pipeline.reports.words import NOTHING
from meta_pipeline.words import ago, duration, times

from .access.forms import token_of
from .asked import address
from .navigation import NAVIGATION
from .reader import Reader, reader_of
from .site import site_of


@lru_cache(maxsize=1)
def templates() -> Environment:
    """The environment of all templates; an unknown name in one of them is an error, not a gap."""
    environment = Environment(
        loader=PackageLoader("meta_pipeline.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_written,
    )
    environment.filters["shown"] = _shown
    # Changes with the style sheet, so that browsers may keep it as long as they like.
    file = resources.files("meta_pipeline.web") / "static" / "style.css"
    environment.globals.update(
        address=address,
        cell=cell,
        ago=ago,
        duration=duration,
        listed=listed,
        moment_of=lambda text: datetime.fromisoformat(text) if text else None,
        navigation=NAVIGATION,
        nothing=NOTHING,
        style_version=sha256(file.read_bytes()).hexdigest()[:12],
        times=times,
    )
    return environment


def plain_page(
    request: Request, template: str, *, status_code: int = 200, **values: Any
) -> HTMLResponse:
    """A page outside the house: nobody is signed in, and no table is read."""
    session = request.scope.get("session")
    text = (
        templates()
        .get_template(template)
        .render(
            visitor=None,
            site=site_of(request),
            reader=reader_of(request.headers.get("accept-language")),
            # Nobody who only looks in is given a session, and so a cookie.
            csrf=token_of(request) if session else None,
            **values,
        )
    )
    return HTMLResponse(text, status_code)


def _written(value: object) -> object:
    """Whatever a template prints, whoever wrote it: in lines that are what they look like.

    Autoescaping keeps out tags, not the characters that turn a line around or cannot be seen.
    """
    # What is markup already was printed so part by part.
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _shown(text: object) -> str:
    """Somebody else's text, a dash where there is none."""
    return printable(str(text)) if text not in (None, "") else NOTHING


def cell(value: object, reader: Reader) -> str:
    """A value of a table of anything, as the reader writes it."""
    if isinstance(value, datetime):
        return reader.moment(value)
    if isinstance(value, date):
        return reader.day(value)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return reader.count(value)
    return _shown("" if value is None else value)


_NAMED = 3


def listed(values: str | Sequence[str]) -> str:
    """`EUR`, or `AUD, JPY, USD and 3 more`."""
    names = [values] if isinstance(values, str) else list(values)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more or NOTHING
