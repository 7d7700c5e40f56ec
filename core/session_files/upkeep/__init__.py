"""Keeping healthy sessions small and readable: chores that change what is inside, each copied first and undone by rows.

prune          drops entities that nobody asked for in a long time, and gives the room back
repair_schema  mends tables that a Telethon cut short at its first start or upgrade
"""
