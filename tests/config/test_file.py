"""The config file: changed without harm to what stands around it, whole or not at all, and for its owner alone."""

from __future__ import annotations

import difflib
import os
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from platformdirs import user_config_path

from imagecli.config import file
from imagecli.config.edit import drop, find, put
from imagecli.errors import UsageProblem

COMMENTED = """\
# my settings

profile = "openai"  # the usual one

[defaults]
model = "a"   # why
# size = "1x1"

# the office
[profiles.office]
base_url = 'https://a.test/v1'  # theirs

# what it does best
[profiles.office.defaults]
model = "b"

[models."team/flux"]   # new
sizes = [
  "1x1",  # small
  "2x2",
]
# the end
"""


def changed(before: str, after: str) -> list[str]:
    """Return the lines that are in one text only, with + or -."""
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line[0] in "+-" and line[2:].strip()]


@pytest.mark.parametrize(
    ("path", "value", "lines"),
    [
        (("profile",), "office", ['- profile = "openai"  # the usual one', '+ profile = "office"  # the usual one']),
        (("defaults", "model"), "c", ['- model = "a"   # why', '+ model = "c"   # why']),
        (("defaults", "count"), 4, ["+ count = 4"]),
        (("profiles", "office", "allow_http"), True, ["+ allow_http = true"]),
        (("profiles", "office", "defaults", "timeout"), 1.5, ["+ timeout = 1.5"]),
        (("models", "team/flux", "endpoints"), ["gen"], ['+ endpoints = ["gen"]']),
        (("profiles", "my home", "base_url"), "x", ['+ [profiles."my home"]', '+ base_url = "x"']),
        (("profiles", "home", "defaults", "size"), "x", ["+ [profiles.home.defaults]", '+ size = "x"']),
    ],
)
def test_a_change_is_a_change_of_one_line(path, value, lines):
    text = put(COMMENTED, path, value)
    assert changed(COMMENTED, text) == lines
    assert find(tomllib.loads(text), path) == value
    assert put(text, path, value) == text


def test_a_new_key_stands_behind_its_tables_last_one():
    text = put(put(COMMENTED, ("defaults", "count"), 4), ("profiles", "office", "allow_http"), value=True)
    assert 'model = "a"   # why\ncount = 4\n# size = "1x1"\n\n# the office\n[profiles.office]\n' in text
    assert "# theirs\nallow_http = true\n\n# what it does best\n" in text


@pytest.mark.parametrize(
    ("text", "path", "value", "expected"),
    [
        ("", ("profile",), "a", 'profile = "a"\n'),
        ("", ("defaults", "size"), "1x1", '[defaults]\nsize = "1x1"\n'),
        ("# mine", ("defaults", "size"), "1x1", '# mine\n\n[defaults]\nsize = "1x1"\n'),
        ("[defaults]", ("defaults", "size"), "1x1", '[defaults]\nsize = "1x1"\n'),
        ("[defaults]\ncount=1", ("defaults", "size"), "1x1", '[defaults]\ncount=1\nsize = "1x1"\n'),
        ("[defaults]\n  count = 1\n", ("defaults", "size"), "1x1", '[defaults]\n  count = 1\n  size = "1x1"\n'),
        ("[defaults]\r\ncount = 1\r\n", ("defaults", "size"), "1x1", '[defaults]\r\ncount = 1\r\nsize = "1x1"\r\n'),
        ("defaults.count = 1\n", ("defaults", "size"), "1x1", 'defaults.count = 1\ndefaults.size = "1x1"\n'),
        ("defaults = { count = 1 }\n", ("defaults", "count"), 2, "defaults = { count = 2 }\n"),
        ("x = 1\n", ("profile",), 'a"\n\x1b', 'x = 1\nprofile = "a\\"\\n\\u001b"\n'),
    ],
)
def test_putting_into_files_of_all_kinds(text, path, value, expected):
    assert put(text, path, value) == expected


@pytest.mark.parametrize(
    "text",
    [
        "defaults = { count = 1 }\n",
        "profiles.a.defaults.count = 1\n",
        "[profiles]\na = { base_url = 'x', defaults = { count = 1 } }\n",
        "[profiles.a.defaults]\ncount = 1\n[defaults]\ncount = 1\n[profiles.b]\nbase_url = 'x'\n",
        "[defaults]\ncount = 1\n[profiles.b]\nx = 1\n[models.m]\nx = 1\n[profiles.c]\ny = 1\n",
        "[[list]]\nx = 1\n[[list]]\nx = 2\n",
        "text = '''\n[defaults]\n'''\n",
        "list = [\n['a'],\n[1],\n]\n",
    ],
)
@pytest.mark.parametrize(
    "path", [("profile",), ("defaults", "size"), ("profiles", "a", "defaults", "size"), ("profiles", "b", "base_url")]
)
def test_whatever_way_a_file_is_written_it_means_what_it_should(text, path):
    wanted = tomllib.loads(text)
    table = wanted
    for part in path[:-1]:
        table = table.setdefault(part, {})
    before = path[-1] in table
    table[path[-1]] = "new"
    written = put(text, path, "new")
    assert tomllib.loads(written) == wanted
    if not before:
        assert tomllib.loads(drop(written, path)) == tomllib.loads(text)


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        (("profile",), ['- profile = "openai"  # the usual one']),
        (("defaults", "model"), ['- model = "a"   # why', "- [defaults]"]),
        (("profiles", "office", "base_url"), ["- base_url = 'https://a.test/v1'  # theirs"]),
        (("profiles", "office", "defaults", "model"), ['- model = "b"', "- [profiles.office.defaults]"]),
        (("models", "team/flux", "sizes"), ['-   "1x1",  # small', '-   "2x2",', '- [models."team/flux"]   # new']),
    ],
)
def test_removing_takes_the_tables_that_are_empty_and_leaves_the_comments(path, gone):
    text = drop(COMMENTED, path)
    lines = changed(COMMENTED, text)
    assert set(gone) <= set(lines)
    assert all(line.startswith("- ") for line in lines)
    left = [line for line in COMMENTED.splitlines() if line.startswith("#")]
    assert [line for line in text.splitlines() if line.startswith("#")] == left
    with pytest.raises(KeyError):
        find(tomllib.loads(text), path)


def test_a_whole_profile_can_be_removed():
    text = drop(COMMENTED, ("profiles", "office"))
    assert "profiles" not in tomllib.loads(text)
    assert "# the office" in text
    with pytest.raises(KeyError):
        drop(text, ("profiles", "office"))


names = st.sampled_from(["a", "b", "c d", "e.f", "é", "x"])
values = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.lists(st.text(st.characters(codec="utf-8"), max_size=3), max_size=3),
)
paths = st.one_of(
    st.tuples(st.just("profile")),
    st.tuples(st.just("defaults"), names),
    st.tuples(st.just("profiles"), names, names),
    st.tuples(st.just("profiles"), names, st.just("defaults"), names),
    st.tuples(st.just("models"), names, names),
)


@settings(max_examples=50)
@given(st.dictionaries(paths, values, max_size=8), st.randoms())
def test_what_is_put_is_there_and_what_is_removed_is_not(entries, random):
    """A file that is written key by key, with a comment after each step, means what was put; comments all survive."""
    text, comments = "", []
    for path, value in entries.items():
        text = put(text, path, value)
        comments.append(f"# comment {len(comments)}")
        text += comments[-1] + "\n"
    for path, value in entries.items():
        assert find(tomllib.loads(text), path) == value
    order = list(entries)
    random.shuffle(order)
    for path in order:
        text = drop(text, path)
    assert tomllib.loads(text) == {}
    assert sorted(line for line in text.splitlines() if line) == sorted(comments)


@pytest.fixture
def path(tmp_path):
    """A place for a config file, in a folder that is not there yet."""
    return tmp_path / "new" / "imagecli" / "config.toml"


def mode(path):
    return path.stat().st_mode & 0o777


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o007])
def umask(request):
    """Run under each umask in use."""
    old = os.umask(request.param)
    yield
    os.umask(old)


def test_the_file_is_0600_and_new_folders_are_0700(path, umask):
    file.write(path, "x = 1\n")
    assert (mode(path), mode(path.parent), mode(path.parents[1])) == (0o600, 0o700, 0o700)
    path.chmod(0o644)
    path.parent.chmod(0o755)
    file.write(path, "x = 2\n")
    assert (mode(path), mode(path.parent)) == (0o600, 0o755)
    assert [each.name for each in path.parent.iterdir()] == ["config.toml"]


def test_a_symbolic_link_stays_and_what_it_leads_to_is_replaced(path, tmp_path):
    real = tmp_path / "dotfiles" / "imagecli.toml"
    real.parent.mkdir()
    path.parent.mkdir(parents=True)
    path.symlink_to("../../dotfiles/imagecli.toml")
    for text in ("x = 1\n", "x = 2\n"):
        file.write(path, text)
        assert path.is_symlink()
        assert real.read_text() == text
        assert mode(real) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["config.toml"]


@pytest.mark.parametrize("name", ["folder", "fifo"])
def test_what_is_not_a_regular_file_is_not_replaced(tmp_path, name):
    place = tmp_path / name
    place.mkdir() if name == "folder" else os.mkfifo(place)
    with pytest.raises(UsageProblem, match="is not a regular file"):
        file.write(place, "x = 1\n")
    with pytest.raises(UsageProblem, match="is not a regular file"):
        file.write(tmp_path.__class__("/dev/null"), "x = 1\n")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UsageProblem, match="can't be read: it is not a regular file"):
        file.read({"IMAGECLI_CONFIG": str(tmp_path / "fifo")})


def test_a_pipe_that_the_shell_has_opened_is_read():
    reading, writing = os.pipe()
    os.write(writing, b'profile = "sandbox"\n')
    os.close(writing)
    assert file.read({"IMAGECLI_CONFIG": f"/dev/fd/{reading}"}).data == {"profile": "sandbox"}
    os.close(reading)
    assert file.read({"IMAGECLI_CONFIG": "/dev/null"}).data == {}


@pytest.fixture
def default_path():
    """Where the config file of this user is."""
    return user_config_path("imagecli", appauthor=False) / "config.toml"


@pytest.mark.parametrize("text", ["[models.x]\n" + ".".join("a" * 400) + " = 1\n", f"x = {'[' * 400}{']' * 400}\n"])
def test_a_file_of_many_levels_is_refused(default_path, text):
    file.write(default_path, text)
    with pytest.raises(UsageProblem, match="more than 20 levels"):
        file.read(os.environ)


def test_changes_at_the_same_time_all_arrive(default_path):
    """Ten threads, as ten processes: each has its own descriptor of the folder, which is what has the lock."""
    from concurrent.futures import ThreadPoolExecutor

    def change(number):
        with file.changing(os.environ) as config:
            file.write(default_path, f"{config.text}x{number} = {number}\n")

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(change, range(10)))
    assert file.read(os.environ).data == {f"x{number}": number for number in range(10)}
    assert [each.name for each in default_path.parent.iterdir()] == ["config.toml"]


def test_a_change_that_fails_leaves_no_folder_and_no_lock(default_path):
    with pytest.raises(ValueError, match="refused"), file.changing(os.environ):
        raise ValueError("refused")
    assert not default_path.parent.exists()
    with file.changing(os.environ) as config:
        file.write(default_path, "x = 1\n")
    assert config.text == ""


def test_a_change_waits_for_another_and_not_for_ever(default_path, monkeypatch):
    waits = []
    monkeypatch.setattr("imagecli.config.lock.sleep", waits.append)
    with (
        file.changing(os.environ),
        pytest.raises(UsageProblem, match="another process is changing the config file"),
        file.changing(os.environ),
    ):
        pass
    assert 9 < sum(waits) < 11


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(path, monkeypatch):
    file.write(path, "x = 1\n")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageProblem, match="can't be written: No space left on device"):
        file.write(path, "x = 2\n")
    assert path.read_text() == "x = 1\n"
    assert [each.name for each in path.parent.iterdir()] == ["config.toml"]


def test_a_file_in_the_way_of_the_folder(tmp_path):
    (tmp_path / "in-the-way").write_text("")
    place = tmp_path / "in-the-way" / "config.toml"
    with pytest.raises(UsageProblem, match="can't be written: "):
        file.write(place, "")
    assert not file.read({"IMAGECLI_CONFIG": str(place)}, create=True).exists


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_what_may_not_be_read_or_written_is_named(path):
    file.write(path, "x = 1\n")
    path.parent.chmod(0o500)
    try:
        with pytest.raises(UsageProblem, match="can't be written: Permission denied"):
            file.write(path, "")
    finally:
        path.parent.chmod(0o700)
    path.chmod(0)
    with pytest.raises(UsageProblem, match="can't be read: Permission denied"):
        file.read({"IMAGECLI_CONFIG": str(path)})


def test_the_folder_is_platformdirs(home):
    assert file.config_path({}) == user_config_path("imagecli") / "config.toml"
    assert home in file.config_path({}).parents
