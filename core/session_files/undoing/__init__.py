"""Taking a run back: the bytes, modes, rows and places that it found.

undo      one change, whatever kind it is of
replaced  moving back what a restored, salvaged or moved session replaced
unpacked  putting away what came out of a pack
put_back  writing the bytes of a copy into a session
"""
