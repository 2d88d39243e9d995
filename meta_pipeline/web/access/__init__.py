"""Who gets in, as whom, and what they may do."""
