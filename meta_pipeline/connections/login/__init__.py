"""Connecting by OAuth: the question to Meta's dialog, its answer, the choice of accounts."""
