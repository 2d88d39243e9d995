"""Reading a dictionary file: layout first, then what the parts say about each other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from meta_pipeline.metrics.errors import DictionaryError

from .checks import Checks, hint, sentence
from .definition import Family, Goals, Metric, Override
from .dictionary import Dictionary
from .document import Document, Place, read
from .families import Families

STANDARD = Path(__file__).with_name("dictionary.yaml")
"""The dictionary that comes with the package."""

SECTIONS = ("families", "metrics", "goals", "overrides")
Model = TypeVar("Model", bound=BaseModel)


@lru_cache(maxsize=1)
def standard_dictionary() -> Dictionary:
    """The dictionary that comes with the package, read once."""
    return _Reading([read(STANDARD)]).dictionary()


def read_dictionary(path: Path | str | None = None) -> Dictionary:
    """The standard dictionary, with the file at `path` laid over it.

    A key of the file replaces the standard one as a whole; overrides come on top. Raises
    DictionaryError with file and line: wrong layout, a key given twice, an unknown action type or
    metric, a cycle, overrides that overlap, anything that would count the same action twice.
    """
    if path is None:
        return standard_dictionary()
    return _Reading([read(STANDARD), read(Path(path))]).dictionary()


class _Reading:
    """The files of one dictionary and where in them everything was said (last word wins)."""

    def __init__(self, documents: list[Document]) -> None:
        self.documents = documents
        for document in documents:
            for key, values in document.content.items():
                if key not in SECTIONS:
                    raise document.error(
                        f"unknown section {key!r}{hint(key, dict.fromkeys(SECTIONS))}", (key,)
                    )
                wanted = list if key == "overrides" else dict
                if values is not None and not isinstance(values, wanted):
                    kind = "a list" if wanted is list else "a mapping"
                    raise document.error(f"{key} must be {kind}", (key,))

    def dictionary(self) -> Dictionary:
        families = Families(
            {
                key: _validated(document, ("families", key), Family, values)
                for key, (document, values) in self._merged("families").items()
            }
        )
        merged = self._merged("goals")
        # What is wrong with the goals as a whole is said of the last file that has any.
        document = next((one for one, _ in reversed(merged.values())), self.documents[0])
        named = {key: values for key, (_, values) in merged.items()}
        goals = _validated(document, ("goals",), Goals, named)
        dictionary = Dictionary(
            self._metrics(families), families, goals, tuple(self._overrides(families))
        )
        places: list[Place] = [
            ("overrides", position)
            for document in self.documents
            for position in range(len(document.content.get("overrides") or []))
        ]
        Checks(dictionary, self._error, places).run()
        return dictionary

    def _merged(self, section: str) -> dict[str, tuple[Document, Any]]:
        merged: dict[str, tuple[Document, Any]] = {}
        for document in self.documents:
            for key, values in (document.content.get(section) or {}).items():
                merged[key] = (document, values)
        return merged

    def _metrics(self, families: Families) -> dict[str, Metric]:
        metrics = {}
        for key, (document, values) in self._merged("metrics").items():
            place = ("metrics", key)
            if not isinstance(values, dict):
                raise document.error(f"metric {key} must be a mapping", place)
            filled = _with_family(document, place, dict(values), families)
            metrics[key] = _validated(document, place, Metric, {"key": key, **filled})
        return metrics

    def _overrides(self, families: Families) -> Iterator[Override]:
        for document in self.documents:
            for position, values in enumerate(document.content.get("overrides") or []):
                place = ("overrides", position)
                if not isinstance(values, dict):
                    raise document.error("an override must be a mapping", place)
                filled = _with_family(document, place, dict(values), families)
                yield _validated(document, place, Override, filled)

    def _error(self, problem: str, place: Place) -> DictionaryError:
        """`problem` at `place` of the last file that has it."""
        for document in reversed(self.documents):
            if place[:2] in document.lines:
                return document.error(problem, place)
        # What is in no file comes of the last one: it changed what the others say.
        return self.documents[-1].error(problem)


def _with_family(
    document: Document, place: Place, values: dict[str, Any], families: Families
) -> dict[str, Any]:
    """Write out the fallback order that `family` stands for."""
    name = values.get("family")
    if name is None:
        return values
    if values.get("actions"):
        raise document.error("give family or actions, not both", place)
    if name not in families.by_name:
        raise document.error(
            f"there is no family {name!r}{hint(str(name), families.by_name)}", (*place, "family")
        )
    return values | {"actions": list(families.by_name[name].types)}


def _validated(document: Document, place: Place, model: type[Model], values: Any) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        inner = tuple(error.errors()[0]["loc"])
        raise document.error(sentence(error), (*place, *inner)) from None


__all__ = ["SECTIONS", "STANDARD", "read_dictionary", "standard_dictionary"]
