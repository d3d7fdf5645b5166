"""What the campaigns share: a try, work in a process of its own, folders as digests."""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from fdd import FddError

LONGEST = 300.0
"""Seconds after which work counts as hanging."""
WRITES = os.O_WRONLY | os.O_RDWR
CHANGES = frozenset(
    f"os.{name}" for name in ("rename", "remove", "mkdir", "rmdir", "link", "symlink", "truncate")
)
"""Events by which Python changes a file system; opening for writing is another."""


class Try(NamedTuple):
    """One try: the line of the table that it counts for, what is done, and the doing of it.

    `run` returns what differed from the promise, in words, or "".
    """

    line: str
    detail: str
    run: Callable[[], str]


@dataclass(frozen=True)
class End:
    """How work ended: done, refused (FddError), short (the system gave no more), failed, killed."""

    how: str
    text: str = ""
    value: Any = None
    events: int = 0


class Child(NamedTuple):
    """A forked process at work, and the pipe on which it says how it ended."""

    pid: int
    pipe: int


def begin(
    work: Callable[[], Any],
    folder: Path | None = None,
    kill_at: int = 0,
    before: Callable[[], Any] = lambda: None,
) -> Child:
    """Does work in a forked process, in silence.

    It kills itself just before file-system event `kill_at` (from 1) below `folder`; `before` is
    called first, to take things away from it.
    """
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return Child(pid, read)
    try:
        os.close(read)
        tqdm.set_lock(threading.RLock())  # that of all children would stay with a killed one
        _silence()
        count = _watch(str(folder), kill_at) if folder is not None else [0]
        end = _ended(work, before)
        os.write(write, json.dumps({**end, "events": count[0]}).encode())
    finally:
        os._exit(0)


def _silence() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _watch(folder: str, kill_at: int) -> list[int]:
    """Counts the file-system events below a folder, and kills this process at one of them."""
    count = [0]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            opens = isinstance(arguments[0], (str, bytes)) and isinstance(arguments[2], int)
            if not opens or not arguments[2] & WRITES:
                return
        elif event not in CHANGES:
            return
        path = os.fsdecode(arguments[0])
        if path.startswith(folder) or not path.startswith("/"):  # relative to an open folder
            count[0] += 1
            if count[0] == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return count


def _ended(work: Callable[[], Any], before: Callable[[], Any]) -> dict[str, Any]:
    try:
        before()
        return {"how": "done", "value": work()}
    except FddError as error:
        return {"how": "refused", "text": str(error)}
    except (MemoryError, OSError) as error:
        return {"how": "short", "text": f"{type(error).__name__}: {error}"}
    except BaseException:
        return {"how": "failed", "text": traceback.format_exc()}


def end_of(child: Child, kill_after: float | None = None) -> End:
    """Waits for a process, or kills it after that many seconds; how it ended."""
    data, until = b"", time.monotonic() + (LONGEST if kill_after is None else kill_after)
    while True:
        ready, _, _ = select.select([child.pipe], [], [], max(0, until - time.monotonic()))
        piece = os.read(child.pipe, 2**16) if ready else b""
        data += piece
        if not piece:
            break
    if not ready:
        os.kill(child.pid, signal.SIGKILL)
    os.close(child.pipe)
    _, status = os.waitpid(child.pid, 0)
    if data.endswith(b"}"):
        return End(**json.loads(data))
    if not ready and kill_after is None:
        return End("failed", f"it did not end within {LONGEST:.0f} seconds")
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return End("killed")
    return End("failed", f"its process ended with status {status}")


def alone(work: Callable[[], Any], kill_after: float | None = None, **options: Any) -> End:
    """Does work in a process of its own, as `begin`, and waits for it, as `end_of`."""
    return end_of(begin(work, **options), kill_after)


def tree(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, and where links lead, by name."""
    return dict(_digests(folder))


def _digests(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            yield name, f"link to {os.readlink(path)}"
        elif path.is_file():
            yield name, hashlib.sha256(path.read_bytes()).hexdigest()


def difference(found: dict[str, str], wanted: dict[str, str]) -> str:
    """The first names in which two trees differ, or ""."""
    names = sorted(n for n in found.keys() | wanted.keys() if found.get(n) != wanted.get(n))
    words = {True: "changed", False: "missing"}
    parts = [f"{n} {'left over' if n not in wanted else words[n in found]}" for n in names[:4]]
    return ", ".join(parts)


def last_line(text: str) -> str:
    """The last line of an error, without what would break a table."""
    return (text.strip().splitlines() or [""])[-1][:300]
