"""Make the images of a job file, and only those that are missing.

Examples:
  imagecli batch run prompts.txt -o out/
  imagecli batch run jobs.jsonl -o out/ -j 8 --max-cost 20
  imagecli batch run jobs.jsonl -o out/ --dry-run
"""
