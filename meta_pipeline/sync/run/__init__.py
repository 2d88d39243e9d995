"""A sync as it runs: one account from the plan to the closed record."""
