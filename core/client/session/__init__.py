"""Telethon's session on a file, for a bot that runs.

patient   the session class that Telethon gets: opening, saving, the login
file      opening the database, creating one
rows      what Telethon stores and looks up;  unsaved: rows that wait for the next save
"""

from core.client.session.file import create_private
from core.client.session.patient import PatientSession, SessionClosed

__all__ = ["PatientSession", "SessionClosed", "create_private"]
