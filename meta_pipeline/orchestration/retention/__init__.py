"""How long what Dagster writes is kept: its history in Postgres, and the files of its runs."""
