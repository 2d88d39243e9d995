"""Meta's own calls: somebody removed the app, or wants their data deleted."""
