"""Reading edges and insights, whatever Meta makes of the question."""
