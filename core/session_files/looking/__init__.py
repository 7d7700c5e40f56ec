"""Seeing what is there and who uses it, without leaving a trace.

inspect      a folder, or one session, as a whole; built on the others
listing      which families of files a folder holds
probe        whether anybody has a file open; holders: who
page_source  the pages of a free session as a recovery would leave them
filesystem   whether another machine may share the disk
"""
