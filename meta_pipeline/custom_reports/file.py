"""META_REPORTS_FILE: the YAML in which custom reports are written, read and checked as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from .presets import PRESETS, unknown_preset
from .report import CustomReport

# A thousand reports fit in; what is longer is somebody's data.
_LONGEST = 1_000_000


class ReportsError(Exception):
    """The file of custom reports cannot be used; the message has every reason, a line each."""


def load(path: Path | str) -> tuple[CustomReport, ...]:
    """The reports of a file, in its order. Raises ReportsError."""
    try:
        if not Path(path).is_file() and Path(path).exists():  # a pipe or a device may never end
            raise ReportsError(f"{path} is no file: META_REPORTS_FILE names a file of YAML.")
        # With or without the byte order mark that some editors write.
        with Path(path).open(encoding="utf-8-sig") as file:
            text = file.read(_LONGEST + 1)
    except UnicodeDecodeError:
        raise ReportsError(f"{path} is not UTF-8 text: save it again as UTF-8.") from None
    except OSError as error:
        raise ReportsError(
            f"{path} cannot be read: {error.strerror}. META_REPORTS_FILE names it; "
            "`meta-pipeline reports presets --yaml NAME` prints a start."
        ) from None
    return parse(text, str(path))


def parse(text: str, source: str = "reports") -> tuple[CustomReport, ...]:
    """The reports of YAML text; `source` is what messages call it. Raises ReportsError."""
    if len(text) > _LONGEST:
        raise ReportsError(f"{source} has more than {_LONGEST:,} characters: it is another file.")
    try:
        given = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" line {where.line + 1}" if where else ""
        raise ReportsError(
            f"{source}{line} is no YAML: {getattr(error, 'problem', error)}."
        ) from None
    except RecursionError:
        raise ReportsError(f"{source} is nested too deep to be a list of reports.") from None
    except (ValueError, AttributeError):  # what is tagged or written as a number or a day
        raise ReportsError(
            f"{source} holds a day or a number that is none, such as 2026-02-30."
        ) from None
    listed = given.get("reports") if isinstance(given, Mapping) else None
    if not isinstance(listed, list) or set(given) != {"reports"}:
        raise ReportsError(
            f"{source} must be a mapping with `reports:`, a list of reports, and nothing else."
        )
    reports, problems = list[CustomReport](), list[str]()
    for number, one in enumerate(listed, start=1):
        try:
            reports.append(_report(one))
        except ValidationError as error:
            problems += [f"{_called(one, number)}: {line}" for line in _lines(error)]
        except ValueError as error:
            problems.append(f"{_called(one, number)}: {error}.")
    problems += _twice(reports)
    if problems:
        raise ReportsError("\n".join(f"{source}: {line}" for line in problems))
    return tuple(reports)


def _report(given: Any) -> CustomReport:
    if not isinstance(given, Mapping):
        raise ValueError("is not a mapping with name, level, fields, ...")
    if not all(isinstance(name, str) for name in given):
        raise ValueError("has a key that is no word")
    values = dict(given)
    preset = values.pop("preset", None)
    if preset is None:
        return CustomReport(**values)
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ValueError(unknown_preset(str(preset)))
    # What stands beside the preset wins, its name too: two reports may be made of one preset.
    return CustomReport(**{**PRESETS[preset], "name": preset, **values})


def _called(given: Any, number: int) -> str:
    named = (given.get("name") or given.get("preset")) if isinstance(given, Mapping) else None
    return f"report {named}" if isinstance(named, str) else f"report {number} of the list"


def _lines(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        where = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        # pydantic says that it is not permitted, and not what would be.
        if problem["type"] == "extra_forbidden":
            known = ", ".join(CustomReport.model_fields)
            message = f"is not known here; a report has {known}"
        yield f"{where}: {message}." if where else f"{message}."


def _twice(reports: Sequence[CustomReport]) -> Iterator[str]:
    names = [one.name for one in reports]
    for name in sorted({one for one in names if names.count(one) > 1}):
        yield f"report {name} stands in it twice: give one of them another name."
