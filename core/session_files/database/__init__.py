"""What the bytes of a SQLite file say, without SQLite and without a disk: pure functions of bytes.

file_format   headers of the database, its journal and its WAL; which pages a recovery would bring
pages         rows of a table, read from its b-tree
schema        Telethon's tables by version, and what a half one lacks
contents      what the tables make of it: a Telethon session, whole or half, or something else
salvage       every row that a damaged session still holds: trees, lone leaves, old images, raw cells
              (remains, tree_walk, leaf_pages, kept_rows, raw_cells, telethon_rows, telethon_records, finds)
"""
