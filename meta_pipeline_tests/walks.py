"""Follows a value through our own code: which functions it is handed to, while the code runs."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import meta_pipeline

_HOME = str(Path(meta_pipeline.__file__).parent) + "/"

_Look = Callable[[FrameType, str, Any], None]


def walk(action: Callable[[], object], marker: str) -> list[str]:
    """The functions that were handed something with `marker` in its text, in order, each once.

    `room/module.function`. The receiver of a method does not count, nor does a nameless function.
    """
    seen: dict[str, None] = {}

    def look(frame: FrameType, event: str, _: object) -> None:
        is_call = event == "call" and _is_ours(frame)
        if is_call and not frame.f_code.co_name.startswith(("<", "__")) and _has(frame, marker):
            seen.setdefault(_name(frame))

    _watched(action, look)
    return list(seen)


def ways(action: Callable[[], object], ends: Mapping[str, str]) -> dict[str, list[str]]:
    """How the code gets there: our functions on the stack at each end, the outermost first.

    An end is a function, and a text in what it is handed: the first such call counts. Nameless
    functions are left out.
    """
    found: dict[str, list[str]] = {}

    def look(frame: FrameType, event: str, _: object) -> None:
        if event != "call" or not _is_ours(frame) or (end := _name(frame)) not in ends:
            return
        if end not in found and _has(frame, ends[end]):
            stack = [one for one, _ in traceback.walk_stack(frame) if _is_ours(one)]
            names = [_name(one) for one in reversed(stack)]
            found[end] = [name for name in names if not name.endswith(">")]

    _watched(action, look)
    return found


def _watched(action: Callable[[], object], look: _Look) -> None:
    threading.setprofile(look)
    sys.setprofile(look)
    try:
        action()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_HOME)


def _name(frame: FrameType) -> str:
    module = frame.f_code.co_filename.removeprefix(_HOME).removesuffix(".py")
    return f"{module}.{frame.f_code.co_qualname}"


def _has(frame: FrameType, marker: str) -> bool:
    """Whether what the function was handed, its receiver aside, has the marker in its text."""
    count = frame.f_code.co_argcount + frame.f_code.co_kwonlyargcount
    given = [name for name in frame.f_code.co_varnames[:count] if name != "self"]
    return any(marker in _text(frame.f_locals.get(name)) for name in given)


def _text(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # whatever cannot tell what it holds holds nothing of ours
        return ""
