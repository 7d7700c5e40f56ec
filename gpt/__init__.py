"""Completions; this room knows nothing of sessions."""
