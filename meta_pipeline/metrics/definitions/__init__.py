"""What a metric means: the dictionary, read from YAML, checked, and kept in Postgres."""
