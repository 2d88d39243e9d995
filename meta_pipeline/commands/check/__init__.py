"""`meta-pipeline check`: what it looks at, and how it tells."""
