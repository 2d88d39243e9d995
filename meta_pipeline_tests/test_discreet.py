"""No error of a model repeats what it was given, whoever's the model is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

import meta_pipeline
from meta_pipeline.discreet import DiscreetModel

PACKAGE = Path(meta_pipeline.__path__[0])
_HAS_MODELS = re.compile(
    r"(?m)^class \w+\(.*(DiscreetModel|BaseModel|BaseSettings|RootModel"
    r"|dg\.(Model|Config|\w*Resource))"
)


def below(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for each in kind.__subclasses__():
        yield each
        yield from below(each)


def test_every_model_of_ours_hides_what_it_was_given() -> None:
    for path in PACKAGE.rglob("*.py"):
        # All others have none, and some of them start something.
        if _HAS_MODELS.search(path.read_text(encoding="utf-8")):
            import_module(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts))
    ours = {one for one in below(BaseModel) if one.__module__.startswith("meta_pipeline.")}
    assert {"MetaAds", "Settings", "CustomReport", "SyncWish"} <= {one.__name__ for one in ours}
    tells = [one for one in ours if not one.model_config.get("hide_input_in_errors")]
    assert not tells


def test_a_discreet_model_names_the_field_alone() -> None:
    class Account(DiscreetModel):
        number: int

    with pytest.raises(ValidationError, match="number") as told:
        Account.model_validate({"number": "EAAB-secret"})
    assert "EAAB" not in f"{told.value} {told.value!r}"
