"""Everything Dagster is shown; what a module here defines is loaded, no list names it."""
