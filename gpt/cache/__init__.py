"""What was answered before: kept in this process, shared with others through Redis, and taken back everywhere.

Nothing is re-exported: `gpt.answering` uses each part by its own name.
"""
