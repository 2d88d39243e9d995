"""`meta-pipeline simulate`: the Graph API simulator on its own."""

from __future__ import annotations

from .console import fail


def simulate_app() -> object:
    """The simulator's own typer application; a sentence when its extra is not installed."""
    try:
        from meta_pipeline.simulator.cli import app
    except ImportError as error:
        fail(
            f"The simulator needs the package {error.name}: pip install 'meta-pipeline[simulator]'."
        )
    return app
