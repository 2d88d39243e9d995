"""Tests of the export: DuckDB reads back what Postgres has."""
