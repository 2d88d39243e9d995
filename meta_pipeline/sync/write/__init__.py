"""Slices into tables, the ledger's marks, and the proof of days."""
