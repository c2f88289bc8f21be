"""TEMPORARY."""

from __future__ import annotations

from typing import Literal

Command = Literal["gen", "edit", "vary", "prepare"]
Verdict = Literal["listed", "unlisted", "fails"]
"""What is known of a value: it is taken, nobody knows, it is certain to be refused."""
