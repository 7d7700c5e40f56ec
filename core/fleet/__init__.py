"""Many bots in one process: found, started in a wave, supervised, drained. The door is `core.controller`.

controller   what a program holds: start, stop, reload, handlers
bot          one bot that was begun, and its end
supervise    one bot: start, serve, start again, or give it up by name
handlers     the program's functions, counted and kept from hurting each other
wave         who may start when: a few at a time, at a distance, and not into a flood
roster       which bots are wanted, each with its own settings and handlers, and what a reload changes (pure)
handler_paths   from `mybot.handlers:answer` to the function
stopping     blocking work that a stop does not wait for
judge        what a failure means for a bot (pure)
settings, proxy, model

Imports run up this list, never down.
"""
