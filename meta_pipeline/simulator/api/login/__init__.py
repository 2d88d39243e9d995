"""Connecting: apps, the people and businesses who let them in, the dialog, signed requests."""
