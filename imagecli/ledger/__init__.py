"""The ledger: each request that can cost money, written down before it is sent, in one SQLite file.

schema.py    the tables
calendar.py  hours, days and months where the user is
store.py     opening the file, beginning and completing a row, what is spent
queries.py   the newest images, what a file was made by, sums
"""
