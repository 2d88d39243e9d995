"""The commands that stay up until they are told to end, or become another process."""
