"""Job files: rows become jobs with stable ids, names and digests, and each is planned as `gen` would be."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from imagecli.batch.cells import KEYS
from imagecli.batch.jobs import read_jobs
from imagecli.errors import UsageProblem
from imagecli.options import Typed
from imagecli.plan.costs import estimate_plan

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Write a job file, and read it: `read(text, "name.csv", prompt=…, size=…)`."""
    monkeypatch.chdir(tmp_path)

    def read_text(text, name="jobs.jsonl", *, form=None, prompt=None, folder="out", **typed):
        if isinstance(text, list):
            text = "".join(json.dumps(each) + "\n" for each in text)
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_jobs(str(path), form, Typed({"profile": "sandbox", **typed}), folder=folder, prompt=prompt)

    return read_text


@pytest.fixture
def mistakes(read):
    """Read a job file that is wrong, and return the lines of the error."""

    def lines(*args, **options):
        with pytest.raises(UsageProblem) as error:
            read(*args, **options)
        return error.value.message.splitlines()

    return lines


@pytest.fixture
def photo(tmp_path):
    def make(name, size=(64, 48), colour="red"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, colour).save(path)
        return path

    return make


def _fields(jobs, index=0, folder="out"):
    planned, _, _ = jobs.plan(jobs.list[index], folder)
    return planned.requests[0].request.fields


def _names(jobs, folder="out"):
    return [name.path("png") for job in jobs for name in jobs.plan(job, folder)[0].names]


# The forms


def test_each_form_says_the_same_job(read):
    rows = {
        "a.jsonl": '{"id": "fox", "prompt": "a red fox", "count": 2, "verbatim": true}\n',
        "a.csv": "id,prompt,count,verbatim\nfox,a red fox,2,yes\n",
        "a.tsv": "id\tprompt\tcount\tverbatim\nfox\ta red fox\t2\ttrue\n",
    }
    read_as = [read(text, name).list[0] for name, text in rows.items()]
    assert read_as[0].values == {"count": 2, "verbatim": True}
    assert {(job.id, job.prompt, job.digest) for job in read_as} == {("fox", "a red fox", read_as[0].digest)}


def test_a_text_file_has_a_prompt_a_line(read):
    jobs = read("a fox\r\n\r\n# not this one\r\n  a whale \r\n", "a.txt")
    assert [(job.prompt, job.line) for job in jobs] == [("a fox", 1), ("a whale", 4)]


def test_a_table_may_have_a_bom_crlf_quotes_and_line_breaks_in_cells(read):
    jobs = read('\ufeffid,prompt,size\r\n1,"a ""red"" fox, running",square\r\n2,"two\r\nlines",\r\n3,x,\r\n', "a.csv")
    assert [job.prompt for job in jobs] == ['a "red" fox, running', "two\r\nlines", "x"]
    assert [job.line for job in jobs] == [2, 3, 5]
    assert [dict(job.values) for job in jobs] == [{"size": "square"}, {}, {}]


def test_a_table_of_a_spreadsheet_may_be_divided_by_semicolons(read):
    assert [job.prompt for job in read("id;prompt\n1;a fox, red\n", "a.csv")] == ["a fox, red"]
    assert [job.prompt for job in read("id\tprompt\n1\ta fox, red; here\n", "a.csv")] == ["a fox, red; here"]
    assert [job.prompt for job in read("sep=;\r\nid;prompt\r\n1;a fox, red\r\n", "a.csv")] == ["a fox, red"]


def test_blanks_behind_the_commas_are_not_part_of_a_cell(read):
    assert [job.prompt for job in read('id, prompt\n1, "a fox, red"\n', "a.csv")] == ["a fox, red"]


def test_repeated_flags_have_a_line_each_in_a_cell_or_a_list(read):
    jobs = read('id,prompt,also\n1,a,"64x64\n32x32"\n2,a,"[""64x64"", ""32x32""]"\n3,a,64x64\n', "a.csv")
    assert [job.values["also"] for job in jobs] == [("64x64", "32x32"), ("64x64", "32x32"), ("64x64",)]


def test_further_fields_may_be_an_object(read):
    jobs = read(
        [{"prompt": "a", "param": {"steps": 4, "sampler": "7", "deep": {"x": [1]}}}], base_url="http://h.test/v1"
    )
    fields = _fields(jobs)
    assert (fields["steps"], fields["sampler"], fields["deep"]) == (4, "7", {"x": [1]})


def test_keys_may_be_written_with_hyphens_and_null_is_not_set(read):
    job = read([{"prompt": "a", "safety-identifier": "u", "quality": None, "output": None}]).list[0]
    assert job.values == {"safety_identifier": "u"}


def test_numbers_and_switches_may_be_texts_as_other_programs_write_them(read):
    job = read([{"id": 7, "prompt": "a", "count": "2", "verbatim": "false"}]).list[0]
    assert (job.id, job.values) == ("7", {"count": 2, "verbatim": False})


# What is wrong with a file as a whole


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("", "a.jsonl", "has no jobs"),
        ("\n\n# nothing\n", "a.txt", "has no jobs"),
        ("prompt,size\n", "a.csv", "has no jobs"),
        ("a fox,1024x1024\n", "a.csv", "is not a header"),
        ("a", "a.json", "is not known by its name"),
        ("a", "jobs", "is not known by its name"),
        ('[{"prompt": "a"}]\n', "a.jsonl", "is a JSON array"),
        ('{\n  "prompt": "a"\n}\n', "a.jsonl", "not a whole JSON object"),
        ("prompt\na\n".encode("utf-16"), "a.csv", "UTF-16"),
        ("a fox\ra whale\r", "a.txt", "end in CR alone"),
    ],
)
def test_an_unusable_file_is_refused_as_a_whole(mistakes, text, name, words):
    assert words in mistakes(text, name)[0 if "whole JSON" not in words else 1]


@pytest.mark.parametrize(("name", "words"), [("gone.csv", "No such file"), ("folder.csv", "is a folder")])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, words):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UsageProblem, match=words):
        read_jobs(str(tmp_path / name), None, Typed({}), folder="out")


def test_the_form_can_be_said(read):
    assert [job.prompt for job in read("a fox\n", "prompts.list", form="txt")] == ["a fox"]


# What is wrong with lines: all of it is told


def test_all_mistakes_are_told_with_their_lines(mistakes):
    lines = mistakes(
        [
            {"promt": "a"},
            {"prompt": "b", "size": "3x3"},
            [1],
            {"id": "a", "prompt": "c"},
            {"id": "a", "prompt": "d", "image": "gone.png"},
            {"prompt": "e", "output": "x.png"},
            {"prompt": "f", "output": "X.PNG"},
            {"prompt": " "},
        ]
    )
    assert lines[0].endswith("jobs.jsonl has 7 mistakes; nothing was sent")
    told = dict(line.split(": ", 1) for line in lines[1:])
    assert told.keys() == {f"line {n}" for n in (1, 2, 3, 5, 7, 8)}
    assert "did you mean prompt" in told["line 1"]
    assert "multiples of 16" in told["line 2"]
    assert "not a JSON object" in told["line 3"]
    assert any("gone.png does not exist" in line for line in lines)
    assert any("the id 'a' is also that of line 4" in line for line in lines)
    assert "is also that of line 6" in told["line 7"]
    assert "empty" in told["line 8"]


def test_the_first_twenty_are_told_and_the_others_counted(mistakes):
    lines = mistakes("{\n" * 7 + '{"id": "a", "prompt": "p"}\n' * 1300)
    assert "1,306 mistakes" in lines[0]
    assert len(lines) == 22
    assert lines[-1] == "and 1,286 more"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"prompt": "a\0b"}', "NUL"),
        (b'{"prompt": "a\\u0000b"}', "NUL"),
        (b'{"prompt": "\xff"}', "not valid UTF-8"),
        (b'{"prompt": "\\ud800"}', "not valid UTF-8"),
        (b'{"prompt": "a"', "not JSON: expecting ',' delimiter (column 15)"),
        (b'{"prompt": "a", "prompt": "b"}', "prompt is set twice"),
        (b'{"prompt": "a", "mask-rect": "1,1,1,1", "mask_rect": "1,1,1,1"}', "is there twice"),
        (b'{"prompt": "a", "seed": NaN}', "NaN is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"prompt": "' + b"a" * (10 << 20) + b'"}', "longer than 4 MB"),
        (b'{"prompt": "' + b"a" * (2 << 20) + b'"}', "larger than a megabyte"),
        (b'{"model": "dall-e-2", "prompt": "' + b"a" * 1001 + b'"}', "1,001 characters, and dall-e-2 takes 1,000"),
        (b'{"prompt": ["a"]}', "prompt must be a text, not a list"),
        (b'{"prompt": 5}', "prompt must be a text, not a number"),
        (b'{"prompt": "a", "count": 11}', "count must be a whole number from 1 to 10, not 11"),
        (b'{"prompt": "a", "count": "two"}', "count must be a whole number"),
        (b'{"prompt": "a", "count": true}', "count must be a whole number"),
        (b'{"prompt": "a", "size": [1, 2]}', "size must be some text, not a list"),
        (b'{"prompt": "a", "format": "bmp"}', "format must be one of"),
        (b'{"prompt": "a", "also": "huge"}', "--also huge is not a size"),
        (b'{"prompt": "a", "seed": 1}', "takes no --seed"),
        (b'{"prompt": "a", "op": "draw"}', "op must be one of gen, edit, vary, not 'draw'"),
        (b'{"prompt": "a", "op": "edit"}', "edit needs an image"),
        (b'{"op": "vary"}', "vary needs an image"),
        (b'{"prompt": "a", "mask_rect": "1,1,1,1"}', "mask_rect is for edit, and this is a job for gen"),
        (b'{"prompt": "a", "image": "-"}', "can't be standard input"),
        (b'{"prompt": "a", "image": "@1"}', "another image after each run"),
        (b'{"prompt": "a", "image": "https://h.test/a.png"}', "is a URL"),
        (b'{"prompt": "a", "image": "data:image/png;base64,AAAA"}', "is a URL"),
        (b'{"prompt": "a", "image": ""}', "must be a path"),
        (b'{"prompt": "a", "image": {"file_id": "x"}}', "image must be a path"),
        (b'{"prompt_file": "gone.txt"}', "gone.txt"),
        (b'{"prompt": "a", "prompt_file": "b.txt"}', "can't be used together"),
        (b'{"prompt": "-"}', "standard input"),
        (b"{}", "there is no prompt"),
        (b'{"prompt": "a", "id": ""}', "the id is empty"),
        (b'{"prompt": "a", "id": "a\\u001bb"}', "can't be shown"),
        (b'{"prompt": "a", "api_key": "sk-abcdef1234567890"}', "no job can name a key"),
        (b'{"prompt": "a", "base_url": "http://h.test"}', "no job can name a key, a base URL or a profile"),
        (b'{"prompt": "a", "profile": "office"}', "no job can name a key, a base URL or a profile"),
        (b'{"prompt": "a", "param": {"authorization": "Bearer x"}}', "can't set"),
        (b'{"prompt": "a", "retries": 3}', "the run's, not a job's"),
        (b'{"prompt": "a", "force": true}', "the run's, not a job's"),
        (b'{"prompt": "a", "n": 3}', "did you mean count?"),
        (b'{"prompt": "a", "output_format": "png"}', "did you mean format?"),
        (b'{"custom_id": "1", "method": "POST", "url": "/v1/images/generations", "body": {}}', "batch engine"),
    ],
)
def test_a_line_that_is_wrong_is_told(mistakes, line, words):
    first, *lines = mistakes(b'{"prompt": "right"}\n' + line + b"\n", folder="out")
    assert "nothing was sent" in first
    assert all(each.startswith("line 2: ") for each in lines)
    assert any(words in each for each in lines), lines


def test_a_name_of_any_length_is_told_in_a_line(mistakes):
    lines = mistakes([{"prompt": "a", "x" * 1_000_000: 1}, {"prompt": "a", "image": "y" * 1_000_000}])
    assert len(lines) == 3
    assert max(map(len, lines)) < 600


def test_a_key_in_a_job_is_not_repeated(mistakes):
    told = "\n".join(
        mistakes([{"prompt": "a", "sk-abcdef1234567890": "sk-abcdef1234567890", "size": "sk-abcdef1234567890"}])
    )
    assert "abcdef" not in told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prompt,promt\na,b\n", "line 1: promt is not a key; did you mean prompt?"),
        ("Prompt,Size\na,square\n", "line 1: Prompt is not a key; did you mean prompt?"),
        ("prompt,size,size\na,b,c\n", "line 1: size is there twice"),
        ("prompt,mask-rect,mask_rect\na,,\n", "line 1: mask_rect is there twice"),
        ("prompt,size\na,b,c\n", "line 2: 3 cells, and the header has 2 columns"),
        ('prompt,size\n"a,b\nc,d\n', "line 2: a quotation mark is not closed"),
        ('prompt,size\n"a"b,square\n', "line 2: a quoted field goes on behind its end"),
        ("prompt,,size\na,b,square\n", "line 1: a column without a name is not a key"),
        ("prompt,count\na,two\n", "line 2: count must be a whole number"),
        (b'prompt,count\n\xff,1\n\n\n"a\nb",two\n', "line 5: count must be a whole number"),
        ("prompt,verbatim\na,maybe\n", "line 2: verbatim must be one of"),
        ("id,size\n1,square\n", "line 2: there is no prompt"),
    ],
)
def test_what_is_wrong_with_a_table_is_told(mistakes, text, words):
    assert words in "\n".join(mistakes(text, "a.csv"))


def test_a_table_that_waits_for_a_sentence_is_told_so(read):
    with pytest.raises(UsageProblem) as error:
        read("animal,colour\nfox,red\nowl,grey\n", "a.csv")
    assert "--prompt" in error.value.hint


def test_equal_lines_are_told_as_they_would_have_one_id(mistakes):
    assert "line 3: it says the same as line 1" in mistakes("a fox\na whale\na fox\n", "a.txt")[1]


def test_one_hint_is_told_where_it_is_that_of_all_mistakes(read):
    with pytest.raises(UsageProblem) as error:
        read("a fox\na fox\na fox\n", "a.txt")
    assert error.value.hint == "Give each an id of its own, or one of them a count."
    with pytest.raises(UsageProblem) as error:
        read([{"prompt": "a", "output": "/x.png"}, {"prompt": "b", "output": "../x.png"}, {}])
    assert error.value.hint == "Correct the job file."


# Outputs


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("../x.png", "leads out of the folder of -o"),
        ("a/../../x.png", "leads out of the folder of -o"),
        ("/etc/x.png", "is not relative"),
        ("C:/x.png", "is not relative"),
        ("~/x.png", "is not relative"),
        ("a\\x.png", "backslash"),
        ("link/x.png", "by a link"),
        ("out.png", "is a link that leads out"),
        ("open.{ext}", "is a link that leads out"),
        ("file.png/x.png", "needs a folder where there is a file"),
        ("dir.png", "is not a file"),
        (".imagecli/x.png", "imagecli's own"),
        (".IMAGECLI", "imagecli's own"),
        ("a//x.png", "a dot or nothing for a folder"),
        ("./x.png", "a dot or nothing for a folder"),
        (".", "does not name a file"),
        ("a\tb.png", "can't be shown"),
        ("x" * 300 + ".png", "longer than a file's name"),
        ("x.tiff", "TIFF can't be asked for"),
        ("{nope}.png", "is not a field"),
        ("{slug.png", "unmatched brace"),
        ("{date}/../../x.png", "leads out"),
    ],
)
def test_an_output_stays_below_the_folder(mistakes, tmp_path, output, words):
    out = tmp_path / "out"
    (out / "dir.png").mkdir(parents=True)
    (out / "file.png").write_bytes(b"")
    (out / "link").symlink_to(tmp_path)
    (out / "out.png").symlink_to(tmp_path / "elsewhere.png")
    (out / "open.jpg").symlink_to("/etc/passwd")
    lines = mistakes([{"prompt": "a", "output": output}])
    assert words in lines[1], lines


@pytest.mark.parametrize("given", ["../x", "/x", "a/../../x"])
def test_an_id_cannot_lead_out_of_the_folder(mistakes, given):
    assert "the output" in mistakes([{"prompt": "a", "id": given}])[1]


def test_links_within_the_folder_are_followed(read, tmp_path):
    (tmp_path / "out" / "real").mkdir(parents=True)
    (tmp_path / "out" / "link").symlink_to("real")
    assert _names(read([{"prompt": "a", "output": "link/a.png"}])) == ["out/link/a.png"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"output": "a.png"}, {"output": "a.png"}),
        ({"output": "a.png"}, {"output": "A.png"}),
        ({"output": "\u00e9.png"}, {"output": "e\u0301.png"}),
        ({"output": "a.png"}, {"output": "a.{ext}"}),
        ({"output": "a.{ext}"}, {"output": "a.webp"}),
        ({"output": "a.png", "count": 2}, {"output": "a-2.png"}),
        ({"output": "a.png", "also": "64x64"}, {"output": "a.64x64.png"}),
        ({"id": "a"}, {"output": "a.png"}),
        ({"id": "a", "count": 3}, {"id": "a-3"}),
        ({"id": "a/b"}, {"output": "a/b.jpg"}),
        ({"output": "{n}.png", "count": 2}, {"output": "2.png"}),
        ({"output": "{slug}.png"}, {"output": "{slug}.png"}),
        ({"output": "{date}.png"}, {"output": "{date}.png"}),
        ({"output": "a.png"}, {"output": "a.png/b.png"}),
    ],
)
def test_outputs_that_meet_are_told(mistakes, one, other):
    assert "the output" in mistakes([{"prompt": "p", **one}, {"prompt": "p", "quality": "low", **other}])[1]


def test_names_are_made_from_the_id_else_from_prompt_and_hash(read, photo):
    photo("my photo.png")
    jobs = read(
        [
            {"id": "fox", "prompt": "a"},
            {"prompt": "A Red Fox"},
            {"op": "vary", "image": "my photo.png"},
            {"id": "{x}", "prompt": "a"},
            {"id": "b", "prompt": "b c", "output": "{id}/{slug}.png"},
            {"id": "c", "prompt": "c d", "output": "sub/"},
            {"id": "d", "prompt": "d", "output": "{{d}}-{n}.{ext}", "count": 2},
        ]
    )
    ids = [job.id for job in jobs]
    assert [job.output for job in jobs] == [
        *("fox.{ext}", f"a-red-fox-{ids[1]}.{{ext}}", f"my-photo-{ids[2]}.{{ext}}", "{{x}}.{ext}", "b/b-c.png"),
        *("sub/c.{ext}", "{{d}}-{n}.{ext}"),
    ]
    assert _names(jobs, "o{u}t")[3:] == [
        "o{u}t/{x}.png",
        "o{u}t/b/b-c.png",
        "o{u}t/sub/c.png",
        "o{u}t/{d}-1.png",
        "o{u}t/{d}-2.png",
    ]


# Ids and digests


def test_an_id_is_the_hash_of_what_the_line_says_wherever_it_stands(read):
    one = read([{"prompt": "a", "size": "square"}, {"prompt": "b"}]).list
    other = read("prompt,size\nb,\n\na,square\n", "a.csv", quality="low").list
    assert [job.id for job in one] == [other[1].id, other[0].id]
    assert all(len(job.id) == 8 and int(job.id, 16) >= 0 for job in one)


def test_a_digest_changes_with_what_would_be_sent(read, photo, tmp_path):
    def digest(row, **typed):
        return read([{"id": "x", "prompt": "p", **row}], **typed).list[0].digest

    photo("a.png")
    photo("b.png", colour="blue")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "a.png").write_bytes((tmp_path / "a.png").read_bytes())
    plain = digest({})
    assert digest({"quality": "low"}) == digest({}, quality="low") != plain
    assert digest({"count": 1, "model": "gpt-image-2.5-flare", "verbatim": False}) == plain
    assert digest({}, retries=7, jobs=1, timeout=3.0) == plain
    assert digest({}, profile="openai") != plain  # what the sandbox draws is none of it
    assert digest({"prompt": "q"}) != plain
    assert digest({"output": "y.png"}) != plain
    edit = digest({"image": "a.png"})
    assert digest({"image": "copy/a.png"}) == edit
    assert digest({"image": "b.png"}) != edit
    assert digest({"image": "a.png", "mask_rect": "1,1,9,9"}) != edit
    photo("a.png", colour="green")
    assert digest({"image": "a.png"}) != edit


def test_a_digest_is_the_same_at_every_server(read):
    rows = [{"id": "x", "prompt": "p"}]
    here, there = (read(rows, profile="openai", base_url=f"http://127.0.0.1:{port}/v1").list[0] for port in (1, 2))
    assert here.digest == there.digest == read(rows, profile="openai").list[0].digest


def test_equal_jobs_are_counted(read):
    jobs = read(
        [{"id": "a", "prompt": "p"}, {"id": "b", "prompt": "q"}, {"id": "c", "prompt": "p"}, {"id": "d", "prompt": "p"}]
    )
    assert [job.repeat for job in jobs] == [0, 0, 1, 2]


# --prompt


def test_a_sentence_and_a_table_of_names_make_a_batch(read):
    jobs = read("name,colour,price\nfox,red,3\nwhale,blue,\n", "a.csv", prompt="a {colour} {name}, {{not}} for sale")
    assert [job.prompt for job in jobs] == ["a red fox, {not} for sale", "a blue whale, {not} for sale"]
    assert len(read("name,number,colour\nfox,1,red\n", "a.csv", prompt="a {colour} fox")) == 1


def test_a_prompt_of_the_line_goes_first_unless_it_is_a_field(read):
    rows = [{"prompt": "a fox"}, {"name": "whale"}]
    assert [job.prompt for job in read(rows, prompt="a {name}")] == ["a fox", "a whale"]
    assert read("a fox\n", "a.txt", prompt="{prompt}, in ink").list[0].prompt == "a fox, in ink"


@pytest.mark.parametrize(
    ("text", "name", "prompt", "words"),
    [
        (
            "name\nfox\n",
            "a.csv",
            "a {colour} {name}",
            "has 1 mistake; nothing was sent\nline 1: --prompt needs colour",
        ),
        ("name,colour\nfox,red\n", "a.csv", "a {color} {name}", "there is no such column; did you mean colour?"),
        ("name,colour\nfox,\n", "a.csv", "a {colour} {name}", "line 2: --prompt needs colour, which is not set"),
        ('{"name": ["a"]}\n', "a.jsonl", "a {name}", "as a text or a number"),
        ('{"name": "a"}\n', "a.jsonl", "a {name", "unmatched brace"),
        ('{"name": "a"}\n', "a.jsonl", " ", "--prompt is empty"),
        ("a fox\n", "a.txt", "a whale", "--prompt is used by no job"),
        ("name,siz\nfox,square\n", "a.csv", "a {name}", "siz is not a key; did you mean size?"),
        ("name,api_key\nfox,x\n", "a.csv", "a {name}", "no job can name a key"),
        ("name\nfox\n", "a.csv", "sk-abcdef1234567890 {name}", "looks like a key"),
    ],
)
def test_a_sentence_that_does_not_fit_is_told(mistakes, text, name, prompt, words):
    assert words in "\n".join(mistakes(text, name, prompt=prompt))


def test_one_sentence_may_change_many_images(read, photo):
    photo("a.png")
    photo("b.png")
    jobs = read("image\na.png\nb.png\n", "a.csv", prompt="make it sepia")
    assert [(job.op, job.prompt) for job in jobs] == [("edit", "make it sepia")] * 2


# Inputs


def test_paths_are_relative_to_the_job_file(read, photo, tmp_path, monkeypatch):
    photo("lists/in/a.png", (40, 30))
    (tmp_path / "lists" / "p.txt").write_text("make it blue\n")
    monkeypatch.chdir("/")
    rows = [{"image": "in/a.png", "prompt_file": "p.txt"}, {"op": "vary", "image": str(tmp_path / "lists/in/a.png")}]
    jobs = read(rows, "lists/jobs.jsonl", folder=str(tmp_path))
    assert [(job.op, job.prompt) for job in jobs] == [("edit", "make it blue"), ("vary", None)]
    planned, settings, inputs = jobs.plan(jobs.list[0], str(tmp_path))
    assert inputs.images[0].size == (40, 30)
    assert settings.options.output.value.startswith(str(tmp_path))
    assert planned.route == "images/edits"


def test_several_images_and_a_mask_go_along(read, photo):
    for name in ("a.png", "b.png", "c d.png"):
        photo(name)
    mask = Image.new("L", (64, 48))
    mask.paste(255, (0, 0, 9, 9))
    mask.save("m.png")
    jobs = read([{"image": ["a.png", "b.png", "c d.png"], "prompt": "p", "mask": "m.png"}])
    planned, _, _ = jobs.plan(jobs.list[0], "out")
    assert [part.field for part in planned.requests[0].request.files] == ["image[]", "image[]", "image[]", "mask"]
    assert [path.rpartition("/")[2] for path in read('image,prompt\n"a.png\nc d.png",p\n', "a.csv").list[0].images] == [
        *("a.png", "c d.png"),
    ]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"mask_rect": "100,100,9,9"}, "opens nothing of the 64x48 image"),
        ({"mask": "square.png"}, "their shapes differ"),
        ({"expand": "left=0"}, "expand"),
        ({"mask": "black.png"}, "the mask opens nothing"),
        ({"markup": "black.png"}, "no transparent pixel"),
        ({"mask": "gone.png"}, "gone.png does not exist"),
        ({"image": ["a.png", "text.png"]}, "is text, not an image"),
        ({"image": "folder"}, "is a folder"),
        ({"max_pixels": 10}, "pixels"),
        ({"mask_color": "no colour"}, "colour"),
        ({"fit": "squeeze"}, "fit must be one of"),
    ],
)
def test_inputs_that_do_not_fit_are_told_before_anything_is_sent(mistakes, photo, tmp_path, row, words):
    photo("a.png")
    photo("square.png", (50, 50))
    photo("black.png", colour="black")
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "folder").mkdir()
    assert words in "\n".join(mistakes([{"image": "a.png", "prompt": "p", **row}])[1:])


# Settings, plans and what they cost


def test_what_was_typed_is_the_default_of_every_job(read, photo):
    photo("a.png")
    rows = [
        {"id": "a", "prompt": "p"},
        {"id": "b", "prompt": "p", "quality": "high"},
        {"id": "c", "image": "a.png", "prompt": "p"},
    ]
    jobs = read(rows, quality="low", fit="crop", output="elsewhere", prompt=None)
    planned = [jobs.plan(job, "out")[0] for job in jobs]
    assert [each.requests[0].request.fields["quality"] for each in planned] == ["low", "high", "low"]
    assert planned[2].intent.fit == "crop"


def test_a_name_asks_for_its_format(read):
    jobs = read([{"prompt": "p", "output": "a.jpg"}, {"prompt": "p", "output": "b.{ext}"}])
    assert _fields(jobs)["output_format"] == "jpeg"
    assert "output_format" not in _fields(jobs, 1)


def test_warnings_are_told_once_with_the_number_of_jobs(read):
    jobs = read([{"prompt": f"p{n}", "background": "purple"} for n in range(3)])
    assert [each.endswith("(3 jobs)") for each in jobs.warnings] == [True]


def test_the_estimate_of_a_job_is_that_of_its_plan(read, photo):
    photo("a.png", (512, 512))
    jobs = read(
        [
            {"id": "1", "prompt": "p", "quality": "low", "size": "1024x1024"},
            {"id": "2", "prompt": "p", "quality": "low", "size": "1024x1024", "count": 3},
            {"id": "3", "prompt": "a longer prompt", "quality": "low", "size": "1024x1024"},
            {"id": "4", "prompt": "p", "image": "a.png", "quality": "low", "size": "1024x1024"},
        ]
    )
    assert [jobs.estimate(job) for job in jobs] == [estimate_plan(jobs.plan(job, "out")[0])[0] for job in jobs]
    one, three, longer, edit = (jobs.estimate(job).most for job in jobs)
    assert three == pytest.approx(3 * one)
    assert one < longer < edit


def test_standard_input_and_pipes_are_read(tmp_path, monkeypatch, photo):
    photo("a.png")
    monkeypatch.chdir(tmp_path)

    class Stdin:
        def __init__(self, file):
            self.fileno = file.fileno

    (tmp_path / "sent").write_text('{"image": "a.png", "prompt": "p"}\n')
    with (tmp_path / "sent").open("rb") as file:
        monkeypatch.setattr("sys.stdin", Stdin(file))
        jobs = read_jobs("-", None, Typed({"profile": "sandbox"}), folder="out")
    assert jobs.list[0].images == ("a.png",)


def test_a_hundred_thousand_lines_need_little(read):
    """Counted, not timed: what is said alike is checked once."""
    from imagecli.batch import variants

    checks = 0
    real = variants.check

    def counting(*args):
        nonlocal checks
        checks += 1
        return real(*args)

    variants.check = counting
    try:
        jobs = read(
            [{"prompt": f"p{n}", "seed": n, "size": "1024x1024"} for n in range(2000)], base_url="http://h.test/v1"
        )
    finally:
        variants.check = real
    assert (len(jobs), checks <= 2) == (2000, True)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from([*KEYS, "colour"]),
            st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.text(max_size=3), max_size=2),
            max_size=4,
        )
        | st.text(max_size=20),
        max_size=3,
    ),
    st.sampled_from(["csv", "jsonl", "txt"]),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_file_holds_it_is_jobs_or_one_error(tmp_path, lines, form):
    path = tmp_path / f"jobs.{form}"
    path.write_text("\n".join(each if isinstance(each, str) else json.dumps(each) for each in lines), "utf-8")
    found, message = [], "none"
    try:
        found = read_jobs(str(path), None, Typed({"profile": "sandbox"}), folder=str(tmp_path / "out")).list
    except UsageProblem as error:
        message = error.message.replace("\n", "")
    assert len({job.id for job in found}) == len(found)
    assert (message == "none") == bool(found)
    assert message.isprintable()
