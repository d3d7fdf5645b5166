"""Damaged files: what is read is what was written, or one sentence; the same command mends it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from tests.soak.tries import Try, alone, difference, last_line
from tests.soak.works import Case, cases, clear

JUNK: list[Any] = [None, True, 0, -1, 2**63, 10**400, 1.5, float("nan"), "", "x", "../x", "/etc"]
JUNK += ["a\0b", "\x1b[2J", "é" * 5000, [], {}, [[]], [None], {"a": 1}]
"""What takes the place of a value in JSON."""
DEEP = b"[" * 50_000
TEXTS = [
    b"null",
    b"5",
    b"[]",
    b"{}",
    b'"x"',
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b"\0" * 100,
    b"NaN",
    DEEP,
]
MENDED = ("generate", "cache", "package")
"""Works that verify all that is there before they go on; a run reads its checkpoint alone."""


def tries(rng: Random, place: Path) -> Iterator[Try]:
    """One file of one work after another, each damaged in one way."""
    while True:
        case = rng.choice(cases(place))
        name, seed = rng.choice(sorted(case.tree)), rng.getrandbits(32)
        yield Try(
            f"{case.work.name}: a damaged file",
            f"{name}, seed {seed}",
            partial(_damaged, case, name, seed),
        )


def _damaged(case: Case, name: str, seed: int) -> str:
    clear(case.folder)
    shutil.copytree(case.whole, case.folder)
    how = damage(case.folder / name, Random(seed))
    read = alone(partial(case.work.read, case.folder))
    if read.how not in ("done", "refused"):
        return f"{how}: reading ended with {last_line(read.text)}"
    if read.how == "done" and read.value != case.value:
        return f"{how}: something else was read without a word"
    end = alone(partial(case.work.make, case.folder))
    if end.how not in ("done", "refused"):
        return f"{how}: the next run ended with {last_line(end.text)}"
    if end.how == "done" and case.work.name.startswith(MENDED):
        left = difference(case.work.tree(case.folder), case.tree)
        return left and f"{how}: after the next run {left}"
    return ""


def damage(path: Path, rng: Random) -> str:
    """Damages a file in a random way; says which."""
    data = path.read_bytes()
    ways = ["flip", "flip", "flip", "zeros", "cut", "append", "insert", "delete", "noise", "text"]
    ways += ["empty", "gone", "folder", "dangling link"]
    if path.suffix == ".json":
        ways += 10 * ["json"]
    way = rng.choice(ways)
    at = rng.randrange(len(data) or 1)
    if rng.random() < 0.4:
        at = min(at, rng.randrange(200))  # headers
    if way in ("gone", "folder", "dangling link"):
        path.unlink()
        if way == "folder":
            path.mkdir()
        elif way == "dangling link":
            path.symlink_to("/nonexistent/target")
        return way
    if way == "flip" and data:
        data = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
    elif way == "zeros":
        hole = min(len(data) - at, rng.choice([1, 8, 512, 4096]))
        data = data[:at] + bytes(hole) + data[at + hole :]
    elif way == "cut":
        data = data[:at]
    elif way == "append":
        data += rng.randbytes(rng.choice([1, 100, 5000]))
    elif way == "insert":
        data = data[:at] + rng.randbytes(rng.choice([1, 7, 64])) + data[at:]
    elif way == "delete":
        data = data[:at] + data[at + rng.choice([1, 7, 64]) :]
    elif way == "noise":
        data = rng.randbytes(len(data) or 10)
    elif way == "text":
        data = rng.choice(TEXTS)
    elif way == "empty":
        data = b""
    elif way == "json":
        text, way = _json(data.decode(), rng)
        data = text.encode()
    path.write_bytes(data)
    return f"{way} at {at}" if way in ("flip", "zeros", "cut", "insert", "delete") else way


def _json(text: str, rng: Random) -> tuple[str, str]:
    """A JSON text with one place replaced, removed or renamed; and what was done."""
    value = json.loads(text)
    *above, key = rng.choice(list(_places(value)))
    inside = value
    for step in above:
        inside = inside[step]
    junk = rng.choice(JUNK)
    how = rng.choice(["replace", "replace", "replace", "remove", "rename"])
    if how == "remove":
        del inside[key]
    elif how == "rename" and isinstance(inside, dict):
        inside[str(junk)[:50]] = inside.pop(key)
    else:
        inside[key] = junk
    return json.dumps(
        value, indent=2
    ), f"json {how} {'/'.join(map(str, [*above, key]))} {junk!r:.40}"


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value[:6])
    for key, other in list(inner):
        yield (*path, key)
        if isinstance(other, (dict, list)):
            yield from _places(other, (*path, key))
