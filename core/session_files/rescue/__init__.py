"""Rescuing what a damaged session still holds into a fresh one.

salvage  reads the damaged family and writes the new file; the decider is `database.salvage`
"""
