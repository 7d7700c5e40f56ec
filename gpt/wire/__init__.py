"""The provider: the openai SDK, its errors as ours, and what answers and headers say.

Nothing is re-exported, so that what only reads answers does not load the client.
"""
