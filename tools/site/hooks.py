"""Takes the documents beside docs/ into MkDocs' site, README.md as its home, and mends the links between the two."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

ROOT = Path(__file__).resolve().parents[2]
_OTHERWISE = {"README.md": "index.md", "SECURITY.md": "reporting.md"}
BESIDE = {path.name: _OTHERWISE.get(path.name, path.name.lower()) for path in sorted(ROOT.glob("*.md"))}
"""Where each document of the top folder is in the site."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents of the top folder."""
    for name, place in BESIDE.items():
        text = (ROOT / name).read_text("utf-8").replace("](docs/", "](")
        files.append(File.generated(config, place, content=_between_each_other(text, "")))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Lead links up from docs/ to where those documents are now, and let a list follow a paragraph, as GitHub does."""
    return re.sub(r"^(?![-#|>\s])(.*\S)\n(?=- )", r"\1\n\n", _between_each_other(markdown, "../"), flags=re.MULTILINE)


def _between_each_other(text: str, up: str) -> str:
    for name, place in BESIDE.items():
        text = re.sub(rf"\]\({re.escape(up + name)}(?=[)#])", f"]({place}", text)
    return text
