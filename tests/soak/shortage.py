"""Too little of something: disk, size of a file, descriptors, memory, permission, a full output.

The work is done or says so in one line, and once there is enough the result is the undisturbed one.
Only without memory it may end in any way: libraries have errors of their own for that, and Python
waits forever for a thread that found no memory to start.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from tests.soak.kills import afterwards
from tests.soak.tries import Try, alone, last_line
from tests.soak.works import Case, cases, clear

NEW_MOUNTS, NEW_USER, PRIVATE = 0x20000, 0x10000000, 1 << 18 | 1 << 14
NOBODY = 65534
PATIENCE = 20.0
"""Seconds after which work without memory counts as waiting forever."""


def tries(rng: Random, place: Path) -> Iterator[Try]:
    """One work after another, each with one thing that is short, at a random level."""
    shorts = [_file_size, _descriptors, _memory, _permission]
    if alone(int, before=partial(_mount_small, place, 4096)).how == "done":
        shorts.append(_disk)
    while True:
        coming = [(short, case) for short in shorts for case in cases(place)]
        rng.shuffle(coming)
        for number, (short, case) in enumerate(coming):
            what, detail, take = short(rng, case)
            check = partial(_short, case, take)
            yield Try(f"{case.work.name}: {what}", detail, check)
            if number % len(shorts) == 0:
                words = rng.choice([["info"], ["info", "--json"]])
                yield Try(
                    "fdd info: standard output is full", " ".join(words), partial(_full, words)
                )


def _short(case: Case, take: Callable[[], Any]) -> str:
    clear(case.folder)
    case.folder.mkdir()
    starved = isinstance(take, partial) and take.func is _limit_memory
    end = alone(
        partial(case.work.make, case.folder),
        before=take,
        kill_after=PATIENCE + 10 * case.seconds if starved else None,
    )
    if end.how not in ("done", "refused", "short") and not starved:
        return f"it ended with {last_line(end.text)}"
    case.folder.chmod(0o755)
    return afterwards(case)


def _disk(rng: Random, case: Case) -> tuple[str, str, Callable[[], Any]]:
    room = rng.randrange(4096, max(8192, case.bytes))
    return "a full disk", f"{room} bytes", partial(_mount_small, case.folder, room)


def _mount_small(folder: Path, room: int) -> None:
    """Lays a small file system over a folder, for this process alone; nothing of it stays."""
    libc = ctypes.CDLL(None, use_errno=True)
    namespaces = NEW_MOUNTS if os.getuid() == 0 else NEW_MOUNTS | NEW_USER
    if libc.unshare(namespaces) or libc.mount(b"none", b"/", None, PRIVATE, None):
        raise OSError(ctypes.get_errno(), "no mounts of its own")
    if libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"size=%d" % room):
        raise OSError(ctypes.get_errno(), "no small disk")


def _file_size(rng: Random, case: Case) -> tuple[str, str, Callable[[], Any]]:
    most = rng.randrange(max(2, case.bytes // 2))
    return "a limit to the size of a file", f"{most} bytes", partial(_limit, "FSIZE", most)


def _descriptors(rng: Random, case: Case) -> tuple[str, str, Callable[[], Any]]:
    most = rng.randrange(5, 40)
    return "few descriptors", str(most), partial(_limit, "NOFILE", most)


def _memory(rng: Random, case: Case) -> tuple[str, str, Callable[[], Any]]:
    more = int(2 ** rng.uniform(12, 27))
    return "little memory", f"{more} bytes more", partial(_limit_memory, more)


def _limit(name: str, most: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    kind = getattr(resource, f"RLIMIT_{name}")
    resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))


def _limit_memory(more: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _limit("AS", pages * resource.getpagesize() + more)


def _permission(rng: Random, case: Case) -> tuple[str, str, Callable[[], Any]]:
    return "no permission", "", partial(_forbid, case.folder)


def _forbid(folder: Path) -> None:
    folder.chmod(0o555)
    if os.getuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def _full(words: list[str]) -> str:
    with open("/dev/full", "w") as output:
        command = [sys.executable, "-m", "fdd", *words]
        done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True)
    right = done.returncode and len(done.stderr.splitlines()) == 1
    return "" if right else f"status {done.returncode}, {last_line(done.stderr)}"
