"""The commands, one file each: options → call → render. Nothing here prints, and nothing opens a file.

Each has a `run(typed, renderer)`, whose docstring is its help and which returns its exit code.
"""
