"""Job files: what should exist, a job a line; read and checked as a whole before anything is sent.

readers.py   JSON lines, CSV, TSV and text: rows of cells
cells.py     what the cells of a row mean: flags and their values
jobs.py      rows become jobs, each of which can be planned like a `gen`
checks.py    what is wrong, all of it: outputs, input files
parts.py     a part of the jobs: --only, --limit, --shard
"""
