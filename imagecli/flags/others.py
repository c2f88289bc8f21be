"""The flags of single commands; none of these is a setting."""

from __future__ import annotations

from imagecli.flags.row import OUTPUT, PICKED, REPORT, SERVER, typed_only

ROWS = (
    typed_only(
        "grid",
        "Save a contact sheet: all images side by side, labelled; - is stdout.",
        OUTPUT,
        ("show",),
        "FILE",
        path=True,
    ),
    typed_only(
        "check",
        "Send it to the server, and say whether that finds its own marks in it.",
        SERVER,
        ("show",),
        type=bool,
    ),
    typed_only("prompt_only", "Print the prompt, and nothing else.", REPORT, ("show",), flag="--prompt", type=bool),
    typed_only(
        "count", "How many lines [20; all sums].", PICKED, ("log",), "N", "-n", type=int, bounds=(1, 1_000_000_000)
    ),
    typed_only(
        "since", "From here on: 30m, 12h, 7d or 2w ago, or a date, such as 2026-11-29.", PICKED, ("log",), "TIME"
    ),
    typed_only("model", "Only images of this model.", PICKED, ("log",), "NAME", "-m"),
    typed_only("profile", "Only images of this profile.", PICKED, ("log",), "NAME", "-P"),
    typed_only(
        "state",
        "Only requests in this state: done, failed, unknown or sent.",
        PICKED,
        ("log",),
        "STATE",
        choices=("done", "failed", "unknown", "sent"),
    ),
    typed_only(
        "sum",
        "Add up what was asked, made and paid by day, month, model or profile.",
        REPORT,
        ("log",),
        "PERIOD",
        choices=("day", "month", "model", "profile"),
    ),
    typed_only("older", "Remove what was used last longer ago: 30d, 12h.", PICKED, ("cache prune",), "AGE"),
    typed_only("larger", "Remove the oldest until the rest is no larger: 5G, 500M.", PICKED, ("cache prune",), "SIZE"),
    typed_only("all", "Also list the models that certainly make no images.", PICKED, ("models",), type=bool),
    typed_only("refresh", "Ask the server even if its list is less than an hour old.", SERVER, ("models",), type=bool),
    typed_only(
        "output",
        "A file, a folder/ or a template [as the run would have named it].",
        OUTPUT,
        ("recover",),
        "PATH",
        "-o",
        path=True,
    ),
    typed_only(
        "port",
        "The port on 127.0.0.1; 0 takes any free one [8765].",
        SERVER,
        ("serve",),
        "N",
        type=int,
        bounds=(0, 65535),
        built_in=8765,
    ),
    typed_only(
        "base_url", "Where the server is, usually ending in /v1.", SERVER, ("config add",), "URL", required=True
    ),
    typed_only(
        "dialect",
        "How the server differs from OpenAI [by its host's name, else openai].",
        SERVER,
        ("config add",),
        "NAME",
    ),
    typed_only(
        "key_command",
        "The command that prints its key, such as 'pass show images'.",
        SERVER,
        ("config add",),
        "COMMAND",
    ),
    typed_only("key_env", "The environment variable that its key is in.", SERVER, ("config add",), "VARIABLE"),
    typed_only("model", "The model to ask it for [its own choice].", SERVER, ("config add",), "NAME", "-m"),
)
