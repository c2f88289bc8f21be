"""The help: a page for each command, made of its docstring and its flags, and the same page for every place.

page.py gathers a page, layout.py breaks it into lines. `--help` and `imagecli help` show them (terminal/help_view.py);
tools/man.py writes the man pages, tools/docs.py what the documents repeat.
"""
