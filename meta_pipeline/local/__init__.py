"""Dagster, Postgres and their helpers as processes of this machine, ended together."""
