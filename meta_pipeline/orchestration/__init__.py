"""Dagster: partitions, assets, resources, jobs, schedules. Thin: the work is done in `sync`."""
