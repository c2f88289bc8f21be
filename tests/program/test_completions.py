"""Real shells load completions/ and are asked what they would insert. None of it may start a program of ours."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from functools import cache

import pexpect
import pytest

from imagecli.help.page import every_command
from support.places import ROOT

SHELLS = {"bash": "imagecli.bash", "zsh": "_imagecli", "fish": "imagecli.fish"}
IMAGES = ["DOG.JPG", "a:b.png", "cat.png", "it's.gif", "my photo.webp"]
FOLDERS = ["my folder", "texts"]
CONFIG = r"""
# [profiles.commented-out]
profile = "office"  # [profiles.behind]
profiles.dotted.base_url = "https://a.example/v1"
profiles.inline = { base_url = "https://b.example/v1" }
sentence = '''
[profiles.in-a-text]
'''
words = [ "[",  # ]
  ["profiles"],
  "[profiles.in-a-list]",
]

[profiles.office]
base_url = "https://images.example.com/v1"
api_key_cmd = [
  "pass", "show"]
[profiles.office.defaults]
model = "team/flux"

  [ profiles . "it's \"ours\"" ]  # a table
[profiles.'say "hi"']
[profiles.my-lab]
[profiles."my lab"]
[profiles."back\\slash"]
[profiles."grün"]
[profiles."$HOME;`x`"]
[profiles.sandbox.defaults]
size = "256x256"

[models]
"team/flux".sizes = ["1024x1024"]
"llama:7b" = { endpoints = ["gen"] }
[other]
profiles.elsewhere = 1
"""
JOBS = r"""{"prompt": "x", "id": "fox-1"}
{"id":"a fox"}
{"prompt": "no id"}
{"id": "odd \" one"}
"""
OWN_PROFILES = [name for name in tomllib.loads(CONFIG)["profiles"] if name != "sandbox"]
MODELS = [
    *("gpt-image-2.6-flare", "gpt-image-2.6-sunburst", "gpt-image-2.5-flare", "gpt-image-2.5-sunburst"),
    *(
        "gpt-image-2",
        "chatgpt-image-latest",
        "gpt-image-1.5",
        "gpt-image-1-mini",
        "gpt-image-1",
        "dall-e-3",
        "dall-e-2",
    ),
]

# Each prints the line after all completions of its last word were inserted, between two record separators.
BASH = r"""
PS1='ready> '
source "$COMPLETIONS"/imagecli.bash
_watched() { _imagecli "$@" 2>>"$ERRORS"; }
complete -F _watched imagecli
_tell() { printf '\036%s\036' "$READLINE_LINE"; READLINE_LINE=; }
bind -x '"\C-xt": _tell'
bind '"\C-xi": insert-completions'
"""
ZSH = r"""
PS1='ready> '
fpath=($COMPLETIONS $fpath)
autoload -Uz compinit && compinit -u -D
insert() { _main_complete; compstate[insert]=all compstate[list]= }
zle -C insert complete-word insert
tell() { print -rn -- $'\036'$BUFFER$'\036' >/dev/tty; BUFFER= }
zle -N tell
bindkey -e
bindkey '^Xi' insert '^Xt' tell
exec 2>>$ERRORS
"""
FISH = "source $COMPLETIONS/imagecli.fish; complete -C $argv[1]"


class Shell:
    """A shell at a terminal, in a folder with images, a config file, and programs that should not be started."""

    def __init__(self, name, folder):
        """Start it; fish is asked without a terminal."""
        self.name = name
        self.folder = folder
        for file in (*IMAGES, "notes.txt", "texts/prompt.txt", "my folder/deep.png"):
            self.write(f"desk/{file}", "")
        self.write("desk/jobs.jsonl", JOBS)
        self.write("desk/animals.csv", 'prompt,id\nx,red\n"a, b",green\nx,blue\nx,\n')
        self.write("config/imagecli/config.toml", CONFIG)
        for program in ("imagecli", "python", "python3"):
            self.write(f"bin/{program}", '#!/bin/sh\necho "$0 was started" >>"$ERRORS"\n').chmod(0o755)
        self.errors = self.write("errors", "")
        self.env = {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": f"{self.folder}/config",
            "ZDOTDIR": str(self.folder),
            "INPUTRC": os.devnull,
            "COMPLETIONS": str(ROOT / "completions"),
            "ERRORS": str(self.errors),
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
        }
        self.child = None
        if self.name == "bash":
            self.spawn("--noprofile", "--rcfile", str(self.write("bashrc", BASH)), "-i")
        elif self.name == "zsh":
            self.write(".zshrc", ZSH)
            self.spawn("-d", "-i")

    def write(self, name, text):
        """Write a file below the folder and return its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def spawn(self, *args):
        """Start the shell at a terminal and wait until it reads."""
        self.child = pexpect.spawn(
            shutil.which(self.name),
            list(args),
            env=self.env,
            cwd=str(self.folder / "desk"),
            encoding="utf-8",
            timeout=60,
            dimensions=(50, 4000),
        )
        self.child.delaybeforesend = None
        self.child.expect_exact("ready> ")

    def line_after(self, line, key="\x18i"):
        """What the line is after `key`."""
        self.child.send(f"{line}{key}\x18t")
        self.child.expect("\x1e(.*?)\x1e")
        assert self.errors.read_text("utf-8") == ""
        return self.child.match[1]

    def complete(self, before, typed=""):
        """The candidates for the word `typed`, as the program would get them; without what `--flag=` repeats."""
        if self.name == "fish":
            done = self.run(FISH, f"{before} {typed}")
            found = [line.split("\t")[0] for line in done.stdout.splitlines()]
            # fish 4 also names words that hold what was typed elsewhere, which Tab offers only if no other is there.
            words = [word for word in found if word.startswith(typed)] or found
        else:
            words = shlex.split(self.line_after(f"{before} {typed}").removeprefix(before))
            if words == [typed]:
                words = []  # nothing was inserted
        flag = re.match("--[^=]*=", typed)
        # Behind folders some shells have a slash, and zsh an = behind flags.
        return [word.removeprefix(flag[0] if flag else "").rstrip("/=") for word in words]

    def run(self, code, *args, **env):
        """Run code of this shell without a terminal."""
        bare = {
            "bash": ["--norc", "-c", code, "bash"],
            "zsh": ["-f", "-c", code, "zsh"],
            "fish": ["--no-config", "-c", code],
        }
        done = subprocess.run(
            [self.name, *bare[self.name], *args],
            cwd=self.folder / "desk",
            env={name: value for name, value in {**self.env, **env}.items() if value is not None},
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert done.stderr + self.errors.read_text("utf-8") == ""
        return done


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    running = {}

    def start(name):
        if not shutil.which(name):
            pytest.skip(f"{name} is not installed")
        if name == "bash" and subprocess.run(["bash", "-c", "((BASH_VERSINFO[0] < 4))"], check=False).returncode == 0:
            pytest.skip("this bash is older than 4: it has no READLINE_LINE to look at")
        if name not in running:
            running[name] = Shell(name, tmp_path_factory.mktemp(name))
        return running[name]

    yield start
    for each in running.values():
        if each.child:
            each.child.close(force=True)


@pytest.fixture(params=SHELLS)
def shell(request, start):
    return start(request.param)


@pytest.fixture
def bash(start):
    return start("bash")


@cache
def help_of(command):
    """The flags and the sub-commands in a command's help."""
    done = subprocess.run(
        [sys.executable, "-m", "imagecli", *command.split(), "--help"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    terms = re.findall(r"(?m)^  +(-.*?)(?:  |$)", done.stdout)
    names = [name for term in terms for name in re.findall(r"(?<!\S)(--?[\w\[\]-]+)", term)]
    flags = {spelling for name in names for spelling in (name.replace("[no-]", ""), re.sub(r"[\[\]]", "", name))}
    commands = re.search(r"\nCommands:\n(.*?)\n\n", done.stdout, re.DOTALL)
    return flags, set(re.findall(r"(?m)^  (\S+)", commands[1])) if commands else set()


@pytest.mark.parametrize("command", list(every_command()))
def test_every_flag_and_command_of_the_help_is_offered_and_no_other(shell, command):
    flags, commands = help_of(command)
    before = f"imagecli {command}".strip()

    assert set(shell.complete(before, "-")) == flags
    assert {"-h", "--help"} <= flags
    if commands:
        assert set(shell.complete(before)) == commands


@pytest.mark.parametrize(
    ("before", "typed", "offered"),
    [
        ("imagecli gen -m", "", [*MODELS, "team/flux", "llama:7b"]),
        ("imagecli edit a.png", "--model=gpt-image-2", MODELS[:5]),
        ("imagecli edit a.png", "--model=team", ["team/flux"]),
        ("imagecli vary --model", "lla", ["llama:7b"]),
        ("imagecli vary", "--model=llama:", ["llama:7b"]),
        ("imagecli gen --profile", "", ["openai", "sandbox", *OWN_PROFILES]),
        ("imagecli gen", "--profile=o", ["openai", "office"]),
        ("imagecli gen", "-Po", ["-Popenai", "-Poffice"]),
        ("imagecli gen -vP", "s", ["sandbox", 'say "hi"']),
        ("imagecli gen -P", "it\\'s", ['it\'s "ours"']),
        ("imagecli gen -P", "my", ["my-lab", "my lab"]),
        ("imagecli config set-key", "", ["openai", "sandbox", *OWN_PROFILES]),
        ("imagecli config check", "sa", ["sandbox", 'say "hi"']),
        ("imagecli gen -s", "a", ["auto"]),
        ("imagecli gen -s", "1", ["1024x1024", "1536x1024", "1024x1536", "1792x1024", "1024x1792"]),
        ("imagecli gen", "--quality=", ["low", "medium", "high", "xhigh", "max", "auto", "standard", "hd"]),
        ("imagecli gen -q", "h", ["high", "hd"]),
        ("imagecli gen --format", "", ["png", "jpeg", "webp", "gif", "svg"]),
        ("imagecli gen --background", "", ["transparent", "opaque", "auto"]),
        ("imagecli gen --moderation", "", ["auto", "low"]),
        ("imagecli gen --style", "", ["vivid", "natural"]),
        ("imagecli edit --input-fidelity", "", ["high", "low"]),
        ("imagecli gen --response-format", "", ["url", "b64_json"]),
        ("imagecli edit --fit", "", ["pad", "crop", "stretch"]),
        ("imagecli vary", "--restore=", ["none", "aspect", "size"]),
        ("imagecli config get", "p", ["profile"]),
        (
            "imagecli config set",
            "defaults.re",
            [f"defaults.{name}" for name in ("resize", "response_format", "restore", "retries", "retry_unknown")],
        ),
        ("imagecli config unset", "defaults.si", ["defaults.sidecar", "defaults.size"]),
        ("imagecli models gpt-image-2", "dall", ["dall-e-3", "dall-e-2"]),
        ("imagecli batch run jobs.jsonl -o out --only", "", ["fox-1", "a fox"]),
        ("imagecli batch submit ./animals.csv", "--only=", ["red", "blue"]),
        ("imagecli edit", "@", [f"@{n}" for n in range(1, 10)]),
        ("imagecli gen", "--like=@", [f"@{n}" for n in range(1, 10)]),
        ("imagecli help", "g", ["gen"]),
        ("imagecli help batch", "r", ["run"]),
    ],
)
def test_values_are_offered_in_their_order(shell, before, typed, offered):
    assert shell.complete(before, typed) == offered


@pytest.mark.parametrize(
    ("before", "typed", "offered"),
    [
        ("imagecli edit", "", IMAGES + FOLDERS),
        ("imagecli vary -m dall-e-2 -v", "", IMAGES + FOLDERS),
        ("imagecli vary --", "", IMAGES + FOLDERS),
        ("imagecli show", "", IMAGES + FOLDERS),
        ("imagecli show cat.png a:b.png", "c", ["cat.png"]),
        ("imagecli edit", "my\\ ", ["my folder", "my photo.webp"]),
        ("imagecli edit", "my\\ folder/", ["my folder/deep.png"]),
        ("imagecli edit cat.png 'a hat' -i one.png -i", "", IMAGES + FOLDERS),
        ("imagecli edit cat.png", "--mask=c", ["cat.png"]),
        ("imagecli gen 'a cat' -o", "", IMAGES + FOLDERS),
        ("imagecli edit", "texts/", ["texts/prompt.txt"]),
        ("imagecli gen -f", "", [*IMAGES, *FOLDERS, "notes.txt", "jobs.jsonl", "animals.csv"]),
        ("imagecli gen 'a cat'", "--no-p", ["--no-preview"]),
        ("imagecli gen 'a cat' --param a=1", "--para", ["--param"]),
        ("imagecli gen -f notes.txt", "--ou", ["--output"]),
        ("imagecli gen 'x: a > b' >", "n", ["notes.txt"]),
    ],
)
def test_images_come_before_other_files(shell, before, typed, offered):
    assert sorted(shell.complete(before, typed)) == sorted(offered)


@pytest.mark.parametrize(
    ("before", "typed"),
    [
        ("imagecli gen", ""),  # nothing is offered for PROMPT
        ("imagecli gen", "c"),
        ("imagecli edit cat.png", "c"),
        ("imagecli edit -m gpt-image-2 --mask=cat.png -- cat.png", "c"),
        ("imagecli vary cat.png", "c"),
        ("imagecli gen --", "-"),
        ("imagecli gen --timeout", ""),
        ("imagecli gen", "--param="),
        ("imagecli gen", "--json="),
        ("imagecli config set defaults.size", "c"),
        ("imagecli nonsense", "c"),
        ("imagecli batch run --only", ""),  # no job file is named
        ("imagecli batch run notes.txt --only", ""),
        ("imagecli help gen", "c"),
    ],
)
def test_nothing_is_offered_where_nothing_is_known(shell, before, typed):
    assert shell.complete(before, typed) == []


NAMES = {
    "bash": "source $COMPLETIONS/imagecli.bash; _imagecli_names profiles openai sandbox",
    "zsh": "compdef() :; source $COMPLETIONS/_imagecli; _imagecli_names profiles openai sandbox",
    "fish": "source $COMPLETIONS/imagecli.fish; __imagecli_names profiles openai sandbox",
}


@pytest.mark.parametrize(
    ("env", "place"),
    [
        ({"IMAGECLI_CONFIG": "{}/a=b.toml"}, "a=b.toml"),
        ({"IMAGECLI_CONFIG": "", "XDG_CONFIG_HOME": "{}/xdg"}, "xdg/imagecli/config.toml"),
        ({"XDG_CONFIG_HOME": None}, ".config/imagecli/config.toml"),
        ({"XDG_CONFIG_HOME": "relative"}, ".config/imagecli/config.toml"),
    ],
)
def test_the_config_file_is_where_the_program_has_it(shell, imagecli, tmp_path, env, place):
    env = {"HOME": str(tmp_path), **{name: value and value.format(tmp_path) for name, value in env.items()}}
    file = tmp_path / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("[profiles.here]\n", "utf-8")

    assert shell.run(NAMES[shell.name], **env).stdout == "here\n"
    if None not in env.values() and sys.platform != "darwin":
        assert imagecli("config", "path", env=env).paths == [str(file)]


def test_on_macos_it_is_among_the_applications(shell, tmp_path):
    file = tmp_path / "Library/Application Support/imagecli/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("[profiles.here]\n", "utf-8")
    (tmp_path / "uname").write_text("#!/bin/sh\necho Darwin\n", "utf-8")
    (tmp_path / "uname").chmod(0o755)
    code = NAMES[shell.name] if shell.name == "fish" else f"OSTYPE=darwin24; {NAMES[shell.name]}"

    mac = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": None, "PATH": f"{tmp_path}:{shell.env['PATH']}"}
    assert shell.run(code, **mac).stdout == "here\n"


@pytest.mark.parametrize("config", ["/dev/zero", "/", "no-such-file"])
def test_without_a_usable_config_file_there_are_just_no_names(shell, config):
    assert shell.run(NAMES[shell.name], IMAGECLI_CONFIG=config).stdout == ""


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ('imagecli gen -P "my l', 'imagecli gen -P "my lab" '),
        ("imagecli gen -P 'it", "imagecli gen -P 'it"),  # its apostrophe would end the quotes
        ("imagecli gen -P 'say", "imagecli gen -P 'say \"hi\"' "),
        ("imagecli gen --profile='$H", "imagecli gen --profile='$HOME;`x`' "),
        ("imagecli gen -P \\$H", "imagecli gen -P \\$HOME\\;\\`x\\` "),
        ("imagecli gen -P back", "imagecli gen -P back\\\\slash "),
        ('imagecli gen --model="llama:', 'imagecli gen --model="llama:7b" '),
        ("imagecli edit --mask=my\\ p", "imagecli edit --mask=my\\ photo.webp "),
        ('imagecli edit --mask="my p', 'imagecli edit --mask="my photo.webp" '),
        ("imagecli edit --mask=my\\ f", "imagecli edit --mask=my\\ folder/"),
        ("imagecli edit --mask=a:", "imagecli edit --mask=a:b.png "),
        ("imagecli edit ~/desk/ca", "imagecli edit ~/desk/cat.png "),
        ("imagecli edit <notes.txt 2>&1 >out ca", "imagecli edit <notes.txt 2>&1 >out cat.png "),
        ("IMAGECLI_JOBS=1 imagecli gen 'a=b: c > d' --ver", "IMAGECLI_JOBS=1 imagecli gen 'a=b: c > d' --verb"),
    ],
)
def test_bash_keeps_to_the_quotes_that_were_opened(bash, line, completed):
    assert bash.line_after(line, key="\t") == completed


@pytest.mark.parametrize(
    ("words", "replaced", "reply"),
    [
        (["--model", "=", "llama", ":", ""], "", ["7b"]),
        (["--model", "=", "llama:"], "llama:", ["llama:7b"]),
        (["--model=llama:"], "--model=llama:", ["--model=llama:7b"]),
        (["--fit", "="], "", ["pad", "crop", "stretch"]),
    ],
)
def test_bash_may_cut_words_as_it_likes(bash, words, replaced, reply):
    """COMP_WORDBREAKS is the user's: COMP_WORDS is the line cut at it, and what is behind the last cut is replaced."""
    code = """
        source "$COMPLETIONS/imagecli.bash"
        COMP_WORDS=(imagecli gen "${@:2}") COMP_CWORD=$# COMP_LINE='imagecli gen '
        for word in "${@:2}"; do COMP_LINE+=$word; done
        COMP_POINT=${#COMP_LINE}
        _imagecli imagecli "$1" gen
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    assert bash.run(code, replaced, *words).stdout.split() == reply


def tool(*args, root=ROOT):
    return subprocess.run(
        [sys.executable, root / "tools" / "completions.py", *args], capture_output=True, encoding="utf-8", check=False
    )


def test_the_files_are_what_the_program_generates():
    done = tool("--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_outdated_file_is_named_and_rewritten(tmp_path):
    for name in ("imagecli", "tools", "completions"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    rows = tmp_path / "imagecli" / "models" / "rows.py"
    rows.write_text(rows.read_text("utf-8").replace("dall-e-3", "dall-e-4"), "utf-8")
    flags = tmp_path / "imagecli" / "flags" / "making.py"
    flags.write_text(flags.read_text("utf-8").replace('"skip_existing"', '"skip_there"'), "utf-8")

    check = tool("--check", root=tmp_path)
    assert check.returncode == 1
    assert "imagecli.bash, _imagecli, imagecli.fish" in check.stderr
    assert tool(root=tmp_path).returncode == 0
    assert tool("--check", root=tmp_path).returncode == 0
    for name in SHELLS.values():
        text = (tmp_path / "completions" / name).read_text("utf-8")
        assert "dall-e-4" in text
        assert "skip-there" in text
        assert "skip-existing" not in text
