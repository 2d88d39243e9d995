"""The Graph API: requests read, checked against Meta's contract, and answered in its shapes."""
