"""Discreet: models that say which field is wrong, and never what was given: it may be secret."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class DiscreetModel(BaseModel):
    """Base of our pydantic models: the text of a ValidationError repeats no input."""

    model_config = ConfigDict(hide_input_in_errors=True)
