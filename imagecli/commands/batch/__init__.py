"""Many images from a job file, a job a line; run again, it makes only what is missing.

\b
Examples:
  imagecli batch run prompts.txt -o out/
  imagecli batch run jobs.jsonl -o out/ -j 8 --max-cost 20
  imagecli batch run jobs.jsonl -o out/ --dry-run
"""
