"""The campaign in tests/soak: a short form of it differs nowhere, and it finds what is careless."""

import json
import sys

import pytest

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="it uses /proc and /dev/full")

CARELESS = """
import json
import mmap
import sys
import time
from itertools import count
from pathlib import Path
from random import Random

from tests.soak import damage, junk, kills, memory, shortage, together, works


def make(folder):
    folder.mkdir(exist_ok=True)
    path = folder / "numbers.txt"
    if path.exists():  # whole or not
        return
    (folder / "busy").touch(exist_ok=False)
    time.sleep(0.1)
    with path.open("w") as file:
        file.write("1")
        file.flush()
        try:
            (folder / "second.txt").write_text("2" * 5000)
        except OSError:
            raise RuntimeError("no number") from None
        file.write("3")
    (folder / "busy").unlink()


def read(folder):
    return (folder / "numbers.txt").read_bytes().hex()


def deep(x):
    kept, size = [], 1 << 40
    a = b = []
    # 3.12 and 3.13 allow 1,500 levels or more in C; 3.14 needs more of them for as much stack
    for _ in range(1_400 if sys.version_info < (3, 14) else 15_000):
        a, b = [a], [b]
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    while size >= mmap.PAGESIZE:
        try:
            kept.append(mmap.mmap(-1, size))
        except OSError:
            size //= 2
    assert a == b  # more stack than there was, with no memory left
    for one in kept:
        one.close()
    sys.setrecursionlimit(limit)


works.WORKS[:] = [works.Work("careless", make, read)]
found = {}
for campaign in (kills, damage, together, shortage):
    coming = campaign.tries(Random(1), Path(sys.argv[1]))
    found[campaign.__name__] = [next(coming).run() for _ in range(8)]
found["junk"] = junk.called(lambda x: 1 // 0, {"x": junk.COUNTS}, {}, 1)
found["deep"] = junk.called(deep, {"x": junk.COUNTS}, {}, 1)
kept = []
found["grows"] = memory.grown(lambda: (kept.append(b"1" * 250_000) for _ in count()), 200)
found["stays"] = memory.grown(count, 200)
print(json.dumps(found))
"""


@pytest.fixture
def patient(start_python):
    """patient(*arguments): (exit code, output, errors) of a program that may take minutes."""

    def run(*arguments):
        process = start_python(*arguments)
        output, errors = process.communicate(timeout=900)
        return process.returncode, output, errors

    return run


@on_linux
def test_a_short_campaign_differs_nowhere(patient):
    status, output, errors = patient("-m", "tests.soak", "--tries", "2", "--seed", "1")
    assert status == 0, output + errors
    first, *table = output.splitlines()
    assert first == "seed 1"
    assert table[:2] == ["| what was tried | times | differed |", "|---|---|---|"]
    tried = [line.strip("| ").split(" | ") for line in table[2:]]
    assert sum(int(times) for _, times, _ in tried) == 5 * 2 + 1
    assert {differed for *_, differed in tried} == {"nothing"}


@on_linux
def test_the_campaign_finds_what_is_careless(patient, tmp_path):
    """A writer that takes a half file for a whole one, and one that breaks off without a word."""
    status, output, errors = patient("-c", CARELESS, tmp_path)
    assert status == 0, errors
    found = json.loads(output)
    assert "busy left over, numbers.txt changed, second.txt missing" in found["tests.soak.kills"]
    assert any("read without a word" in one for one in found["tests.soak.damage"])
    assert any("one was short: FileExistsError" in one for one in found["tests.soak.together"])
    assert "it ended with RuntimeError: no number" in found["tests.soak.shortage"]
    assert found["junk"].startswith("ZeroDivisionError: ")
    assert ", given {'x': " in found["junk"]
    assert found["deep"] == ""
    assert found["grows"].startswith("it grew by ")
    assert found["stays"] == ""
