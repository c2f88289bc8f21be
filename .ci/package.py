"""Build the wheel and the sdist, look at what is in them, install each into a fresh environment, and try it there.

python .ci/package.py            build into a temporary folder, and try
python .ci/package.py DIST       leave them in DIST
python .ci/package.py --tests    run the tests of the sdist too, from its own folder

It needs `build` (in the extra `dev`) and a package index. pipx and uv are tried where they are installed.
"""

# ruff: noqa: E402 - the path comes before the imports

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the program of this checkout, not one that is installed

from imagecli._version import __version__
from imagecli.help.page import every_command

if TYPE_CHECKING:
    from collections.abc import Iterable

UNPACKED = {".gitignore", ".pre-commit-config.yaml"}
"""Files of the checkout that nobody needs who has no checkout."""
SHARED = (
    "share/bash-completion/completions/imagecli.bash",
    "share/zsh/site-functions/_imagecli",
    "share/fish/vendor_completions.d/imagecli.fish",
    *(f"share/man/man1/{'-'.join(['imagecli', *command.split()])}.1" for command in every_command()),
)
TRIED = (
    ("--version",),
    ("gen", "a fox", "--profile", "sandbox", "--json", "-o", "fox.png"),
    ("edit", "fox.png", "a hat", "--mask-rect", "0,0,50%,50%", "--profile", "sandbox", "-o", "hat.webp"),
    ("show", "fox.png"),
    ("help", "batch", "run"),
    ("schema", "config"),
)


def run(*command: str | Path, **options: object) -> str:
    """Run a program and return what it prints; end with what it said if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload] # Popen's
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return str(done.stdout)


def build(folder: Path) -> tuple[Path, Path]:
    """Build both, the wheel from the sdist, and return them."""
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def check_wheel(wheel: Path) -> None:
    """Hold the wheel to the checkout: the whole package, what shells and man look for, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        top = f"imagecli-{__version__}"
        about = message_from_bytes(archive.read(f"{top}.dist-info/METADATA"))
    package = {str(path.relative_to(ROOT)) for path in (ROOT / "imagecli").rglob("*") if path.is_file()}
    package = {name for name in package if "__pycache__" not in name}
    shared = {f"{top}.data/data/{name}" for name in SHARED}
    own = {f"{top}.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    _same("the wheel", names, package | shared | own | {f"{top}.dist-info/licenses/LICENSE"})
    if "imagecli/py.typed" not in names or about["Version"] != __version__ or not about.get_payload():
        raise SystemExit("the wheel has no py.typed, or other metadata than the checkout")


def check_sdist(sdist: Path) -> None:
    """Hold the sdist to the checkout: all of its files."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    if (ROOT / ".git").exists():
        _same(
            "the sdist",
            names - {"PKG-INFO", ".gitignore"},
            set(run("git", "ls-files", cwd=ROOT).splitlines()) - UNPACKED,
        )


def _same(what: str, names: set[str], wanted: set[str]) -> None:
    if names != wanted:
        raise SystemExit(f"{what} lacks {sorted(wanted - names)[:9]}, and has besides {sorted(names - wanted)[:9]}")


def try_out(program: Path, folder: Path) -> None:
    """Let an installed program do what people do first, without a key, settings or this checkout."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    for words in TRIED:
        run(program, *words, cwd=home, env=environment)
    shutil.rmtree(home)


def install(package: Path, folder: Path) -> None:
    """Install by pip into an environment of its own, and look for what the system's own programs look for."""
    venv.create(folder, with_pip=True, clear=True)
    run(folder / "bin" / "pip", "install", "-q", package)
    _same("the environment", {name for name in SHARED if (folder / name).exists()}, set(SHARED))
    try_out(folder / "bin" / "imagecli", folder)


def install_by_tools(package: Path, folder: Path) -> Iterable[str]:
    """Install as people do, by pipx and uv where they are; yield which."""
    for name, command, place in (
        ("pipx", ("install", str(package)), {"PIPX_HOME": "home", "PIPX_BIN_DIR": "bin", "PIPX_MAN_DIR": "man"}),
        ("uv", ("tool", "install", "-q", str(package)), {"UV_TOOL_DIR": "tools", "UV_TOOL_BIN_DIR": "bin"}),
    ):
        if found := shutil.which(name):
            own = folder / name
            run(found, *command, env={**os.environ, **{key: str(own / each) for key, each in place.items()}})
            try_out(own / "bin" / "imagecli", own)
            yield name


def run_tests(sdist: Path, folder: Path) -> None:
    """Run the tests of the unpacked sdist, with what it says that they need."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.glob("imagecli-*")
    venv.create(folder / "venv", with_pip=True)
    run(folder / "venv" / "bin" / "pip", "install", "-q", "-e", f"{source}[test]")
    python = folder / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pytest", "-q", "-n", "auto", "-p", "no:cacheprovider"], cwd=source, check=True)


def main() -> int:
    """Do it all."""
    kept = [Path(each) for each in sys.argv[1:] if not each.startswith("-")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        wheel, sdist = build(kept[0] if kept else folder / "dist")
        check_wheel(wheel)
        check_sdist(sdist)
        print(f"{wheel.name}, {sdist.name}: what belongs in them is there, and nothing else")
        for package in (wheel, sdist):
            install(package, folder / package.suffix)
            print(f"{package.name}: installed by pip, and it works")
        for name in install_by_tools(wheel, folder):
            print(f"{wheel.name}: installed by {name}, and it works")
        if "--tests" in sys.argv[1:]:
            run_tests(sdist, folder / "tests")
    return 0


if __name__ == "__main__":
    sys.exit(main())
