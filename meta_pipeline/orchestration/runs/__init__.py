"""Runs of Dagster: which accounts, how many slots, which are under way."""
