"""Bare loops that the tool is set beside; each file is run as a process of its own."""
