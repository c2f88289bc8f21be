"""Counts how often programs send a request whose response is lost: each time may be billed.

python bench/lost.py

The server reads a request and closes the connection. curl, OpenAI's package, img-cli and genimg are asked where
they are installed (PATH, and this Python for the package). The exit code is 1 if imagecli sends more than once.
"""

from __future__ import annotations

import http.server
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import threading

PACKAGE = "from openai import OpenAI; OpenAI().images.generate(model='gpt-image-2', prompt='a cat')"


class Silent(http.server.BaseHTTPRequestHandler):
    """Counts what it reads, and says nothing."""

    posts = 0

    def do_POST(self) -> None:
        """Read the request, and close the connection."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        Silent.posts += 1
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def programs(url: str, folder: str) -> dict[str, list[str]]:
    """Return the commands of those that are installed."""
    asked = {
        "imagecli": [sys.executable, "-m", "imagecli", "gen", "a cat", "-m", "gpt-image-2", "-o", f"{folder}/cat.png"],
        "curl": ["curl", "-s", "-H", "content-type: application/json", "-d", "{}", f"{url}/images/generations"],
        "img-cli": ["img-cli", "generate", "a cat", "-o", folder],
        "genimg": ["genimg", "a cat", "-m", "oai:gi2", "-o", f"{folder}/genimg.png"],
    }
    if importlib.util.find_spec("openai"):
        asked[f"openai {importlib.metadata.version('openai')}"] = [sys.executable, "-c", PACKAGE]
    return {name: command for name, command in asked.items() if shutil.which(command[0])}


def main() -> int:
    """Print a line for each."""
    counts = {}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server, tempfile.TemporaryDirectory() as folder:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/v1"
        env = {"PATH": os.environ["PATH"], "HOME": folder, "OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": url}
        for name, command in programs(url, folder).items():
            Silent.posts = 0
            done = subprocess.run(command, env=env, capture_output=True, timeout=120, check=False)
            counts[name] = Silent.posts
            print(f"{name:16} sent {Silent.posts} times, exit code {done.returncode}")
        server.shutdown()
    return int(counts["imagecli"] != 1)


if __name__ == "__main__":
    sys.exit(main())
