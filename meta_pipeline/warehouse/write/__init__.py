"""How rows come in: rendered for COPY, merged, what changed and what is gone on record."""
