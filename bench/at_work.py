"""Makes docs/at-work.webp: imagecli at work in a terminal, with the sandbox as its server.

python bench/at_work.py [picture]

A shell runs in a terminal of its own, the commands are typed into it, and xterm.js, the terminal of VS Code, draws what
came out, images included. Needs npm (@xterm/xterm and @xterm/addon-image) and chromium; a nice font is JetBrains Mono.
"""

from __future__ import annotations

import base64
import fcntl
import http.server
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from functools import partial
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "at-work.webp"
COLUMNS, ROWS, CELL = 94, 26, (9, 20)
PICTURED = 64
"""The picture has more rows than the window: what has left at the top, too."""
COMMANDS = (
    'imagecli gen "a red fox on blue snow" -n 3 -s landscape -o fox.png --preview',
    'imagecli edit fox-2.png "a full moon" --mask-ellipse 55%,5%,30%,45% -o moon.png --preview',
    'imagecli batch run birds.csv -o birds/ --prompt "a {bird} {place}" -q low --max-cost 1',
    'imagecli gen "sandbox:moderation"; echo $?',
)
BIRDS = "bird,place\nrobin,in the snow\nwren,on a fence\nbarn owl,at dusk\n"
SHELL = r"""
PS1='\[\e[32m\]$\[\e[0m\] '
PROMPT_COMMAND='printf "\e]1337;ready\a"'
imagecli() { "$PYTHON" -m imagecli "$@"; }
bind 'set enable-bracketed-paste off'
"""
READY = b"\x1b]1337;ready\a"
WAIT_S = 60.0
PAGE = """<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="node_modules/@xterm/xterm/css/xterm.css">
<style>
  body { margin: 0; }
  #window { display: inline-block; background: #1e222a; border-radius: 10px; padding: 12px 16px 14px; }
  #window i { display: inline-block; width: 12px; height: 12px; border-radius: 6px; margin: 0 8px 12px 0; }
  #screen { overflow: hidden; }
  .xterm-decoration-overview-ruler, .scrollbar { display: none !important; }
  .xterm-viewport { background: none !important; overflow: hidden !important; }
</style>
<div id="window"><i style="background:#e06c75"></i><i style="background:#e5c07b"></i><i style="background:#98c379"></i>
<div id="screen"></div></div><img src="wait" alt="">
<script src="node_modules/@xterm/xterm/lib/xterm.js"></script>
<script src="node_modules/@xterm/addon-image/lib/addon-image.js"></script>
<script>
  const theme = { background: "#1e222a", foreground: "#d7dae0", cursor: "#1e222a", red: "#e06c75", green: "#98c379",
    yellow: "#e5c07b", blue: "#61afef", magenta: "#c678dd", cyan: "#56b6c2", brightBlack: "#7f848e",
    brightRed: "#e06c75" };
  const terminal = new Terminal({ cols: COLUMNS, rows: ROWS, theme, allowProposedApi: true, fontSize: 15,
    fontFamily: "JetBrains Mono, DejaVu Sans Mono, monospace", cursorInactiveStyle: "none" });
  terminal.loadAddon(new ImageAddon.ImageAddon());
  const screen = document.getElementById("screen");
  terminal.open(screen);
  const bytes = Uint8Array.from(atob("OUTPUT"), one => one.charCodeAt(0));
  terminal.write(bytes, () => {
    const height = document.querySelector(".xterm-screen").clientHeight / ROWS;
    screen.style.height = (terminal.buffer.active.cursorY + 1) * height + "px";
    setTimeout(() => fetch("drawn"), 500); // the images are on the canvas with its next frame
  });
</script>
"""


def output(folder: Path) -> bytes:
    """Type the commands into a shell, and return what it wrote."""
    (folder / "birds.csv").write_text(BIRDS)
    (folder / "shell").write_text(SHELL)
    environment = {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        "HOME": str(folder),
        "PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
        "IMAGECLI_PROFILE": "sandbox",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "TERM_PROGRAM": "WezTerm",  # which draws images as xterm.js does: by iTerm2's protocol
    }
    ours, its = pty.openpty()
    size = struct.pack("4H", ROWS, COLUMNS, COLUMNS * CELL[0], ROWS * CELL[1])
    fcntl.ioctl(its, termios.TIOCSWINSZ, size)
    words = ["bash", "--noprofile", "--rcfile", "shell", "-i"]
    shell = subprocess.Popen(
        words, cwd=folder, env=environment, stdin=its, stdout=its, stderr=its, start_new_session=True
    )
    os.close(its)
    written = b""
    for command in (*COMMANDS, ""):
        written += until_ready(ours)
        if command:
            os.write(ours, f"{command}\n".encode())
    shell.kill()
    shell.wait()
    return written.replace(READY, b"")


def until_ready(terminal: int) -> bytes:
    """Return what comes up to the next prompt."""
    written = b""
    while READY not in written:
        if not select.select([terminal], [], [], WAIT_S)[0]:
            raise SystemExit("the shell says nothing any more")
        written += os.read(terminal, 65536)
    while select.select([terminal], [], [], 0.3)[0]:  # the prompt itself
        written += os.read(terminal, 65536)
    return written


class Pages(http.server.SimpleHTTPRequestHandler):
    """Serves the page; what it waits for comes when it says that all is drawn, and the browser saves it then."""

    is_drawn = threading.Event()

    def do_GET(self) -> None:
        """Serve a file, or wait."""
        if self.path == "/drawn":
            self.is_drawn.set()
        if self.path == "/wait":
            self.is_drawn.wait(WAIT_S)
        if self.path in {"/drawn", "/wait"}:
            return self.send_error(404)
        return super().do_GET()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def drawn(written: bytes, folder: Path) -> Image.Image:
    """Return what the terminal shows, at twice its size."""
    subprocess.run(["npm", "install", "--silent", "@xterm/xterm@6", "@xterm/addon-image@0"], cwd=folder, check=True)
    page = PAGE.replace("COLUMNS", str(COLUMNS)).replace("ROWS", str(PICTURED))
    (folder / "page.html").write_text(page.replace("OUTPUT", base64.b64encode(written).decode()))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Pages, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={folder}/profile"]
        scale = ["--force-device-scale-factor=2", "--default-background-color=00000000"]
        shot = [f"--screenshot={folder}/shot.png", f"--window-size={COLUMNS * 10 + 40},{PICTURED * 21}"]
        address = f"http://127.0.0.1:{server.server_port}/page.html"
        subprocess.run([*browser, *scale, *shot, address], check=True, capture_output=True)
        server.shutdown()
    shown = Image.open(folder / "shot.png")
    return shown.crop(shown.getbbox())


def main() -> None:
    """Save the picture."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    with tempfile.TemporaryDirectory() as folder:
        picture = drawn(output(Path(folder)), Path(folder))
    picture.save(target, quality=88, method=6)
    print(target, picture.size, f"{target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
