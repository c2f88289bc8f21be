"""The bar of a batch."""

from __future__ import annotations

import json

from support.pseudo_terminal import run

CODE = """
import json, re, threading
from imagecli.terminal.batch_bar import BatchBar, Tally
tally = Tally(10, 1, 1, 18, images=19, ended=12, cost_usd=0.36)
times = iter([0.0])
status, frames, last = console.status, threading.Semaphore(0), []
def stated(lines):
    status(lines)
    last[:] = [re.sub(r"\\x1b\\[[\\d;]*m", "", line)[:200] for line in lines] or last
    frames.release()
console.status = stated
with BatchBar(console, lambda: tally, interval=0.01, patience=0, clock=lambda: next(times, 30.0)):
    for _ in range(2):
        assert frames.acquire(timeout=60)
print(json.dumps([last[0][2:], *last[1:]]))
"""
NUMBERS = "10 done · 1 failed · 1 unknown · 18 left · 38 images a minute · $0.360 spent"


def seen(code=CODE, **how):
    session = run(code, **how)
    assert (session.code, session.screen) == (0, []), session.text
    return json.loads(session.stdout)


def test_it_says_how_far_it_is_how_fast_and_what_it_has_cost():
    assert seen(window=(24, 120, 0, 0)) == [
        "batch  12 of 30  ━━━━━━━━━╸━━━━━━━━━━━━━━ 40 %",
        f"{NUMBERS} · 45 s to go",
    ]


def test_a_narrow_window_has_more_lines():
    assert seen(window=(24, 80, 0, 0))[1:] == [NUMBERS, "45 s to go"]


def test_one_row_has_the_numbers():
    shown = seen(window=(1, 40, 0, 0))
    assert len(shown) == 1
    assert NUMBERS.startswith(f"10{shown[0]} · ")


def test_a_server_that_asks_to_wait_is_named():
    code = CODE.replace("cost_usd=0.36", "cost_usd=0.36, held_s=12.2")
    assert seen(code, window=(24, 120, 0, 0))[-1] == "the server asks to wait: 12 s"


def test_without_unicode():
    assert seen(env={"LC_ALL": "C"}, window=(24, 120, 0, 0))[1].startswith("10 done; 1 failed; 1 unknown; 18 left; ")
