"""Many bots in one process: found, started in a wave, supervised, drained. The door is `core.controller`.

controller   what a program holds: start, stop, reload, handlers
supervise    one bot: start, serve, start again, or give it up by name
handlers     the program's functions, counted and kept from hurting each other
wave         who may start when: a few at a time, at a distance, and not into a flood
judge        what a failure means for a bot (pure)
settings, model

Imports run up this list, never down.
"""
