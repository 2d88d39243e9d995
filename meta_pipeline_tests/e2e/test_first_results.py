"""A data scientist and a dbt user, each with one page of docs/ and an empty environment.

The Dagster user's page is followed by test_in_your_dagster.py.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from meta_pipeline.embedded import EmbeddedPostgres

from .environments import Environment, python, wheel
from .pages import DBT, Reader, section

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

SPEND_OF_ADS = "SELECT sum(spend) FROM meta_ads.ad_insights"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def reader(built: Path) -> Iterator[Reader]:
    """In a folder where an embedded server may live: as root its account must reach it."""
    folder = Path(tempfile.mkdtemp(prefix="meta-pipeline-first-"))
    folder.chmod(0o755)
    environment = Environment.made(folder / "venv", folder, python("3.12") or python("3.11") or "3")
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(DBT), encoding="utf-8")
    env = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    yield Reader(environment, built, constraints=constraints, env=env)
    for data in (folder / "ads", folder / "data"):
        EmbeddedPostgres(data).reset(force=True)
    shutil.rmtree(folder)


def test_a_data_scientist_has_a_dataframe_a_picture_and_duckdb(reader: Reader) -> None:
    said = reader.follow(section("python.md", "A first DataFrame"))
    assert said.startswith("success\n")
    assert re.search(r"spend +ctr +results", said)
    assert "JPY sum(clicks) / sum(impressions) * 100" in said
    assert "30 days\n" in said
    folder = reader.environment.folder
    assert (folder / "trend.png").read_bytes().startswith(b"\x89PNG")
    in_files = re.search(r"^spend (\S+)$", said, re.MULTILINE)
    assert in_files is not None
    with EmbeddedPostgres(folder / "ads").running() as url, psycopg.connect(url) as connection:
        truth = connection.execute(SPEND_OF_ADS).fetchone()
    assert truth is not None
    assert Decimal(in_files[1]).quantize(Decimal("0.01")) == truth[0].quantize(Decimal("0.01"))


def test_a_dbt_user_has_models_whose_sums_are_ours(reader: Reader) -> None:
    reader.env["META_PIPELINE_DATA"] = str(reader.environment.folder / "data")
    shown = reader.follow(section("dbt.md", "A first model"))
    assert "spend_by_campaign" in shown
    assert re.search(r"\| *act_\d+ *\|", shown), "rows, and not the names of columns alone"
    reader.follow(section("dbt.md", "Models written on Fivetran's Facebook Ads connector"))
    with psycopg.connect(reader.env["DATABASE_URL"]) as connection:
        own, in_their_shape, truth = (
            connection.execute(query).fetchone()
            for query in (
                "SELECT sum(spend) FROM shop.spend_by_campaign",
                "SELECT sum(spend) FROM shop.campaign_report",
                SPEND_OF_ADS,
            )
        )
    assert truth is not None
    assert truth[0] > 0, "nothing equals nothing"
    assert own == in_their_shape == truth
