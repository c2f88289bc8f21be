"""The table of flags, and what is derived from it: a row is all that a new flag needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from imagecli import ImageClient, api, flags, keywords
from imagecli.cli import build
from imagecli.config.settings import load
from imagecli.flags.row import CACHE, CONFIG, GROUPS, PICKED
from imagecli.options import Options, Typed
from support.places import ROOT

MAKING = ("gen", "edit", "vary")
WORDS = {"gen": keywords.GenOptions, "edit": keywords.EditOptions, "vary": keywords.VaryOptions}


def test_the_written_files_are_what_the_table_says():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "options.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", [*MAKING, "prepare", "models", "serve", *CACHE, *CONFIG])
def test_each_command_has_the_flags_of_its_rows_in_their_groups(command):
    parameters = {each.name: each for each in build(command).params if each.param_type_name == "option"}
    assert set(parameters) == {"help"} | {flag.name for flag in flags.flags_of(command)}
    for flag in flags.flags_of(command):
        option = parameters[flag.name]
        assert flag.flag in option.opts
        assert not flag.short or flag.short in option.opts
        assert (option.help, option.rich_help_panel) == (flag.help, flag.group)
        assert option.multiple == flag.repeated
        assert flag.group in GROUPS


def test_help_shows_the_groups(imagecli):
    for command in ("edit", "batch run"):
        helped = imagecli(*command.split(), "--help").out
        places = [helped.index(f"\n{group}:\n") for group in GROUPS if group != PICKED or command == "batch run"]
        assert places == sorted(places)


def test_every_setting_is_a_typed_option_and_has_one_row():
    assert set(Options.__annotations__) == flags.SETTINGS.keys() - {"profile", "base_url"}
    for command in (*MAKING, "prepare"):
        names = [flag.name for flag in flags.flags_of(command)]
        assert len(names) == len(set(names))
        assert all(hasattr(Typed, name) for name in names)


@pytest.mark.parametrize("command", MAKING)
def test_options_are_unset_where_a_command_does_not_take_them(command):
    everything = {"mask_feather": 3, "verbatim": True, "fit": "pad", "size": "64x64"}
    options = load(everything, {}, command=command).options
    taken = {flag.name for flag in flags.flags_of(command)}
    for name, value in everything.items():
        assert getattr(options, name).value == (value if name in taken else None)


@pytest.mark.parametrize("command", MAKING)
def test_the_python_options_are_the_flags_with_a_field_and_those_that_say_so(command):
    expected = {flag.name for flag in flags.flags_of(command) if flag.field or flag.in_python}
    assert set(WORDS[command].__annotations__) == expected


def test_the_methods_take_the_options_of_their_commands():
    for method, command in (
        *((ImageClient.generate, "gen"), (ImageClient.generate_stream, "gen")),
        *((ImageClient.edit, "edit"), (ImageClient.edit_stream, "edit"), (ImageClient.vary, "vary")),
    ):
        assert method.__annotations__["options"] == f"Unpack[{WORDS[command].__name__}]"
        assert getattr(api, WORDS[command].__name__) is WORDS[command]


def test_a_mistyped_option_is_refused_at_run_time_and_by_the_type_checker(tmp_path):
    with pytest.raises(TypeError, match="siize"):
        ImageClient(profile="sandbox").generate("a cat", siize="64x64")
    script = tmp_path / "script.py"
    script.write_text(
        "from imagecli.keywords import EditOptions, GenOptions\n"
        'good: GenOptions = {"size": "64x64", "count": 2, "format": "png"}\n'
        'mistyped: GenOptions = {"siize": "64x64"}\n'
        'wrong: EditOptions = {"count": "two"}\n'
        'unknown: GenOptions = {"mask_feather": 3}\n'
    )
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", script],
        capture_output=True,
        text=True,
        env={"MYPYPATH": str(ROOT), "PATH": ""},
        cwd=tmp_path,
        check=False,
    )
    lines = [line.split(":")[1] for line in checked.stdout.splitlines() if ": error:" in line]
    assert lines == ["3", "4", "5"], checked.stdout + checked.stderr
