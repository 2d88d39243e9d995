"""Follows a value through our own code: which functions it is handed to, while the code runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import meta_pipeline

_HOME = str(Path(meta_pipeline.__file__).parent) + "/"


def walk(action: Callable[[], object], marker: str) -> list[str]:
    """The functions that were handed something with `marker` in its text, in order, each once.

    `room/module.function`. The receiver of a method does not count, nor does a nameless function.
    """
    seen: dict[str, None] = {}

    def look(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(_HOME):
            return
        if code.co_name.startswith(("<", "__")):
            return
        count = code.co_argcount + code.co_kwonlyargcount
        given = [frame.f_locals.get(name) for name in code.co_varnames[:count] if name != "self"]
        if any(marker in _text(value) for value in given):
            module = code.co_filename.removeprefix(_HOME).removesuffix(".py")
            seen.setdefault(f"{module}.{code.co_qualname}")

    threading.setprofile(look)
    sys.setprofile(look)
    try:
        action()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return list(seen)


def _text(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # whatever cannot tell what it holds holds nothing of ours
        return ""
