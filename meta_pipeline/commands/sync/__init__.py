"""The commands that read from Meta, and those that say or undo what was read."""
