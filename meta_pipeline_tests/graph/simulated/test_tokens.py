"""Tokens are described, exchanged and refused."""

from __future__ import annotations

import pytest

from meta_pipeline.graph import Reauthorize
from meta_pipeline.simulator import Simulator
from meta_pipeline_tests.graph.simulated.reading import new_client


def test_tokens_are_described_and_exchanged(sim: Simulator) -> None:
    app = sim.tokens.app
    with new_client(sim, app_secret=app.secret) as client:
        info = client.debug_token(app_id=app.id)
        assert info.is_valid
        assert "ads_read" in info.scopes
        assert info.app_id == app.id
        new = client.exchange_token(app_id=app.id)
        assert client.with_token(new.value).me()["id"] == info.user_id


def test_an_unknown_token_asks_for_a_new_one(sim: Simulator, account_id: str) -> None:
    sim.expect("token")
    with new_client(sim) as client, pytest.raises(Reauthorize):
        client.with_token("EAAnobodyknowsthis").me()
