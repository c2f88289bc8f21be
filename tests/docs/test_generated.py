"""What tools/docs.py writes is what the program says."""

from __future__ import annotations

import subprocess
import sys

import pytest

from imagecli.flags import FLAGS
from support.places import ROOT


def test_the_help_the_flags_and_the_magic_prompts_are_the_programs():
    done = subprocess.run([sys.executable, ROOT / "tools" / "docs.py", "--check"], check=False)
    assert done.returncode == 0, "run python tools/docs.py"


@pytest.mark.parametrize("flag", [flag for flag in FLAGS if flag.built_in is not None], ids=lambda flag: flag.name)
def test_a_built_in_value_is_in_the_help_and_so_in_the_table(flag):
    default = {False: "off"}.get(flag.built_in, f"{flag.built_in:g}" if flag.type is float else str(flag.built_in))
    assert f" [{default}]" in flag.help
