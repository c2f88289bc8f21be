"""Job files: what should exist, a job a line; read and checked as a whole before anything is sent.

readers.py    JSON lines, CSV, TSV and text: rows of cells
cells.py      what the cells of a row mean: keys, and the values of flags
prompts.py    --prompt, with the columns of a row in braces
job.py        one job, and the settings that it is made with
variants.py   what many rows say alike: read and checked once
files.py      input files, each looked at once
outputs.py    the names of files: below the run's folder, no two the same
mistakes.py   all that is wrong, by line
reading.py    rows become jobs
jobs.py       the jobs of a file, each of which can be planned like a `gen`
parts.py      a part of the jobs: --only, --limit, --shard

Sent one by one: `run.py` and what it imports. By a provider's own batch engine:

engines/       the wires of providers
provider.py    the provider of a submission, as it was asked then
submitting.py  jobs become batches
submission.py  what was submitted, written down before each step
fetching.py    results become images
registry.py    where batches were submitted from
"""
