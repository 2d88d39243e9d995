"""docs/lake.md: the recipes of programs that are not among our own, run where they are installed.

Each that is not is skipped, and says what to install.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from meta_pipeline_tests.waiting import PATIENCE_SECONDS

from .lake import FIRST, SECOND, asked, blocks, files, fill_place

pytestmark = pytest.mark.slow

BUCKET = "https://bucket.s3.amazonaws.com"
MONTHS = """
    SELECT date_trunc('month', date_start)::date, sum(spend) FROM meta_ads.meta_insights
    WHERE entity_type = 'ad' GROUP BY 1 ORDER BY 1
"""
PURCHASES = [(FIRST, Decimal(6)), (SECOND, Decimal(6))]
SPARK = "'pyspark<4'"
_SPARK = """
import json, sys
from pyspark.sql import SparkSession
program, purchases = sys.argv[1:]
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
exec(program)
months = spark.sql(
    "SELECT trunc(date_start, 'month'), sum(spend) FROM meta_insights"
    " WHERE entity_type = 'ad' GROUP BY 1 ORDER BY 1"
)
print(json.dumps({
    "months": [list(map(str, row)) for row in months.collect()],
    "purchases": [list(map(str, row)) for row in spark.sql(purchases).collect()],
}))
"""


def installed(module: str, package: str | None = None) -> Any:
    """A module of a package that only this test needs."""
    return pytest.importorskip(
        module, reason=f"{module} is not installed: pip install {package or module}"
    )


def test_clickhouse_reads_a_bucket(s3_url: str, bucket: str, postgres_url: str) -> None:
    chdb = installed("chdb")
    by_month, _ = blocks("ClickHouse", "sql")
    fill_place(postgres_url, f"s3://{bucket}/lake")
    found = chdb.query(by_month.replace(BUCKET, f"{s3_url}/{bucket}"), "ArrowTable").to_pylist()
    assert [(row["month"], row["spend"]) for row in found] == asked(postgres_url, MONTHS)


def test_clickhouse_reads_a_folder(filled: Path) -> None:
    chdb = installed("chdb")
    _, purchases = blocks("ClickHouse", "sql")
    found = chdb.query(purchases.replace("/srv/lake", str(filled)), "ArrowTable").to_pylist()
    assert [(row["account_id"], row["purchases"]) for row in found] == PURCHASES


def test_spark_reads_what_the_list_names(postgres_url: str, filled: Path) -> None:
    installed("pyspark", SPARK)
    (program,), (purchases,) = blocks("Spark", "python"), blocks("Spark", "sql")
    # In a process of its own: Spark takes its signals, and starts another that ends with it.
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            _SPARK,
            program.replace("s3a://bucket/lake", str(filled)),
            purchases,
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=5 * PATIENCE_SECONDS,
    )
    found = json.loads(ran.stdout.splitlines()[-1])
    months = [(date.fromisoformat(month), Decimal(spend)) for month, spend in found["months"]]
    assert months == asked(postgres_url, MONTHS)
    assert [(account, Decimal(count)) for account, count in found["purchases"]] == PURCHASES


def test_polars_and_pandas_read_what_the_manifest_names(postgres_url: str, filled: Path) -> None:
    installed("polars")
    arrow, polars, pandas = blocks("pandas, Polars, Arrow", "python")
    known: dict[str, Any] = {}
    exec(arrow.replace("/srv/lake", str(filled)), known)
    exec(polars, known)
    assert sorted(known["months"].rows()) == asked(postgres_url, MONTHS)
    exec(pandas, known)
    found = [(month.start_time.date(), spend) for month, spend in known["months"].items()]
    assert found == asked(postgres_url, MONTHS)


@pytest.mark.parametrize("system", ["BigQuery", "Snowflake"])
def test_what_cannot_be_run_here_is_at_least_its_language(system: str) -> None:
    sqlglot = installed("sqlglot")
    for statement in blocks(system, "sql"):
        assert all(sqlglot.parse(statement, dialect=system.lower()))


def test_columns_have_the_types_that_bigquery_and_snowflake_document(filled: Path) -> None:
    schema = pq.ParquetFile(files(filled, "meta_insights")[0]).schema
    types = {
        one.name: (one.physical_type, str(one.logical_type).partition("(")[0])
        for one in map(schema.column, range(len(schema)))
    }
    assert types["spend"] == ("FIXED_LEN_BYTE_ARRAY", "Decimal")
    assert types["date_start"] == ("INT32", "Date")
    assert types["data_as_of"] == ("INT64", "Timestamp")
    assert types["impressions"] == ("INT64", "None")
    assert types["actions"] == types["ad_id"] == ("BYTE_ARRAY", "String")
