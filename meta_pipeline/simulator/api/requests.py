"""One Graph request taken apart: version, path, parameters, fields, token."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

import orjson

from meta_pipeline.simulator.api import errors

SECRETS = frozenset(
    "access_token appsecret_proof client_secret code fb_exchange_token input_token "
    "revoke_token".split()
)
_VERSION = re.compile(r"v\d+\.\d+$")
_WORD = re.compile(r"\s*(\w+)\s*")
# `effective_status[]=ACTIVE&effective_status[]=PAUSED`, as older SDKs write a list.
_PHP_LIST = re.compile(r"(\w+)\[\d*\]$")


@dataclass(frozen=True)
class FieldSpec:
    """One name of a `fields` list: `insights.date_preset(last_7d).limit(5){spend}`."""

    name: str
    args: tuple[tuple[str, str], ...] = ()
    sub: tuple[FieldSpec, ...] = ()

    def params(self) -> dict[str, Any]:
        return {key: json_value(value) for key, value in self.args}


@dataclass(frozen=True)
class GraphRequest:
    """What one call asks for, whatever way it came: query, form, batch entry or expansion."""

    method: str
    version: str | None
    path: tuple[str, ...]
    params: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    base_url: str = ""
    method_override: bool = False

    @property
    def token(self) -> str | None:
        # The parameter first: that is where the official SDK has it on every call.
        value = self.params.get("access_token")
        if value is not None:
            return str(value)
        scheme, _, bearer = self.headers.get("authorization", "").partition(" ")
        return bearer.strip() if scheme.lower() in {"bearer", "oauth"} else None

    @property
    def edge(self) -> str:
        """The last path component: an edge, or a node's id."""
        return self.path[-1] if self.path else ""

    @property
    def display_path(self) -> str:
        return "/" + "/".join((*((self.version,) if self.version else ()), *self.path))

    def fields(self) -> tuple[FieldSpec, ...]:
        value = self.params.get("fields")
        if isinstance(value, list):
            value = ",".join(map(str, value))
        return parse_fields(str(value)) if value else ()

    def text(self, name: str) -> str | None:
        value = self.params.get(name)
        return None if value is None else str(value)

    def integer(self, name: str) -> int | None:
        value = self.params.get(name)
        if value is None:
            return None
        try:
            return int(value)
        except (TypeError, ValueError):
            raise errors.invalid_parameter(
                f"Param {name} must be an integer, got {value!r}", blame=name
            ) from None

    def words(self, name: str) -> tuple[str, ...]:
        """A list parameter: a JSON list, a comma-joined text or PHP-style `name[]`."""
        value = self.params.get(name)
        if value is None or value == "":
            return ()
        if isinstance(value, list):
            return tuple(str(item) for item in value)
        return tuple(part.strip() for part in str(value).split(","))

    def next_url(self, **changes: str | None) -> str:
        """The request's own URL with some parameters changed; carries the token, as Meta's."""
        kept = {
            key: value
            for key, value in self.params.items()
            if key not in changes and key not in {"after", "before", "appsecret_proof"}
        }
        if "access_token" not in kept and self.token:
            kept["access_token"] = self.token
        kept.update({key: value for key, value in changes.items() if value is not None})
        return f"{self.base_url}{self.display_path}?{urlencode(flat(kept))}"

    def at(self, path: Sequence[str], params: Mapping[str, Any]) -> GraphRequest:
        """A request for another path on behalf of this one."""
        token = {"access_token": self.token} if self.token else {}
        return replace(self, path=tuple(path), params={**token, **params}, method="GET")


def parse(
    method: str, target: str, *, headers: Mapping[str, str], body: bytes = b"", base_url: str = ""
) -> GraphRequest:
    """Read a request line and its form body; POST parameters win over the query's."""
    path, _, query = target.partition("?")
    parts = [unquote(part) for part in path.split("/") if part]
    version = parts.pop(0) if parts and _VERSION.match(parts[0]) else None
    params = _pairs(query)
    kind = headers.get("content-type", "")
    if body and kind.startswith("application/json"):
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise errors.invalid_parameter("The request body is not valid JSON") from None
        params.update(document if isinstance(document, dict) else {})
    elif body and kind.startswith("multipart/"):
        raise errors.invalid_parameter("File uploads are not served by the simulator")
    elif body:
        params.update(_pairs(body.decode("utf-8", "replace")))
    override = method == "POST" and "method" in params
    method = str(params.pop("method")).upper() if override else method.upper()
    return GraphRequest(method, version, tuple(parts), params, headers, base_url, override)


def _pairs(query: str) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        php = _PHP_LIST.match(key)
        if php:
            existing = params.setdefault(php[1], [])
            if isinstance(existing, list):
                existing.append(value)
        else:
            params[key] = json_value(value)
    return params


def json_value(value: str) -> Any:
    """Lists, objects and booleans are JSON text in a parameter; everything else stays text."""
    if value[:1] in {"[", "{"} or value in {"true", "false"}:
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def flat(params: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as they go into a URL."""
    return {
        key: value if isinstance(value, str) else orjson.dumps(value).decode()
        for key, value in params.items()
    }


def redacted(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters fit for the journal: secrets replaced, cursors and everything else kept."""
    shown = {key: "REDACTED" if key in SECRETS else value for key, value in params.items()}
    if "batch" in shown:
        # Operations may hold tokens of their own, deep inside their URLs.
        batch = shown["batch"]
        shown["batch"] = f"{len(batch)} operations" if isinstance(batch, list) else "operations"
    return shown


# -- the `fields` grammar ---------------------------------------------------------------------


@lru_cache(maxsize=1024)
def parse_fields(text: str) -> tuple[FieldSpec, ...]:
    """Read `id,name,creative{id},adsets.limit(5){id,ads{id}}`; a slip is error 2500."""
    parser = _Parser(text)
    specs = parser.fields()
    if parser.at < len(text):
        raise errors.syntax(f"Unexpected character {text[parser.at]!r} at position {parser.at}")
    return specs


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def fields(self) -> tuple[FieldSpec, ...]:
        specs = []
        while True:
            specs.append(self.field())
            if not self.take(","):
                return tuple(specs)

    def field(self) -> FieldSpec:
        name = self.word()
        args: list[tuple[str, str]] = []
        while self.take("."):
            key = self.word()
            args.append((key, self.argument()))
        sub: tuple[FieldSpec, ...] = ()
        if self.take("{"):
            sub = self.fields()
            if not self.take("}"):
                raise errors.syntax(f"Expected end of string instead of {self.peek()!r}")
        return FieldSpec(name, tuple(args), sub)

    def word(self) -> str:
        match = _WORD.match(self.text, self.at)
        if not match:
            raise errors.syntax(f"Expected name at position {self.at} of fields")
        self.at = match.end()
        return match[1]

    def argument(self) -> str:
        if not self.take("("):
            raise errors.syntax(f"Expected ( at position {self.at} of fields")
        start, depth, quoted = self.at, 1, False
        while self.at < len(self.text) and depth:
            char = self.text[self.at]
            # Parentheses inside a JSON text are no parentheses of the grammar.
            quoted ^= char == '"'
            depth += 0 if quoted else (char == "(") - (char == ")")
            self.at += 1
        if depth:
            raise errors.syntax("Unbalanced parentheses in fields")
        return self.text[start : self.at - 1]

    def take(self, char: str) -> bool:
        if self.peek() != char:
            return False
        self.at += 1
        return True

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]
