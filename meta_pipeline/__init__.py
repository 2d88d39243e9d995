"""Meta Ads accounts kept in Postgres by Dagster."""
