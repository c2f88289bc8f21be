"""The cache: responses kept under the sha256 of what was sent, so that the same request costs nothing again.

open_cache(options) ─► Cache ─ look_up(plan) ─► Answers ─► execute

keys.py     what makes two requests the same
entry.py    the file of one response
folder.py   the folder of the entries: what is in it, what prune removes
answers.py  what the cache has for a plan, and what it will keep of it
"""
