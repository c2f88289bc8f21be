"""Where the tests find the project and what may lie beside it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
PHOTOS = SHARED / "photos"
SPECS = SHARED / "spec"
