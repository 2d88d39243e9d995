"""The commands that answer with numbers."""
