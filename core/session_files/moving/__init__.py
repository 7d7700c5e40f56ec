"""Handing sessions to another host, so that each runs in one place only.

pack    a tar file of sessions with their digests: written, checked
unpack  putting the sessions of a pack into a folder
leave   putting a marker in a session's place
"""
