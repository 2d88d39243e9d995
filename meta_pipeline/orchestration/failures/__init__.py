"""What of Dagster fails: runs that no record of a sync explains, sensors and schedules."""
