"""The commands of `meta-pipeline`, one module for each group."""
