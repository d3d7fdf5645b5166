"""Kaggle's own client, as functions that fail when it failed.

The client ends with 0 after several failures (before 2.2.5 even after an upload that failed), so
each line that it prints must be one that success prints. It runs in processes of its own;
credentials are its business, and travel in its environment and its files alone.
"""

from __future__ import annotations

import csv
import filecmp
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fdd.errors import FddError

HARMLESS = (
    r"Starting upload for file .+|Upload successful: .+|Already uploaded \d+ bytes\. .+"
    r"|Request failed: .+ Will retry in .+|Warning: .+|.*\d%\|.*"
)
PROGRESS = r"Please check progress at (\S+)"
UPLOADED = rf"(?:Your (?:private|public) Dataset|Dataset version) is being created\. {PROGRESS}"
PUSHED = rf"Kernel version (\d+) successfully pushed\.  {PROGRESS}"
NOT_THERE = re.compile(r"not found|don't have access", re.IGNORECASE)
"""What the client prints of the statuses 404 and 403; which one a missing data set gets varies."""


def kaggle(*arguments: str, show: bool = False) -> list[str]:
    """The lines that the client printed, shown as they come if asked; FddError if it failed."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    for name in ("VERBOSE", "VERBOSE_OUTPUT"):  # with these it would print the token
        environment.pop(name, None)
    lines = []
    with subprocess.Popen(
        [sys.executable, "-m", "kaggle", "-W", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in map(str.strip, process.stdout):
                lines += [line] * bool(line)
                if show and line:
                    print(line, end="\r" if "%|" in line else "\n", flush=True)
        except BaseException:
            process.kill()
            raise
    if "Authentication required to call the Kaggle API." in lines:
        raise FddError(
            "Kaggle wants credentials that it accepts: run `kaggle auth login`, or set "
            "KAGGLE_API_TOKEN to a token from the settings of your account"
        )
    if process.returncode:
        said = [line for line in lines if not re.fullmatch(HARMLESS, line)]
        reason = " ".join(said) or f"exit code {process.returncode}"
        raise FddError(f"`kaggle {' '.join(arguments[:2])}` failed: {reason:.300}")
    return lines


def report(*arguments: str, expected: str) -> re.Match[str]:
    """Runs the client and shows what it prints: the line of success, matched.

    FddError if that line is missing or another stands beside it that success does not print.
    """
    found, command = None, f"`kaggle {' '.join(arguments[:2])}`"
    for line in kaggle(*arguments, show=True):
        if match := re.fullmatch(expected, line):
            found = match
        elif not re.fullmatch(HARMLESS, line):
            raise FddError(f"{command} printed {line!r:.300}; mend that and run this again")
    if found is None:
        raise FddError(f"{command} reported no success; run this again")
    return found


def status(handle: str) -> tuple[str, int]:
    """Kaggle's word for a data set's state, and its newest version; ("absent", 0) if none shows."""
    try:
        lines = kaggle("datasets", "status", handle, "--format", "json")
    except FddError as error:
        if NOT_THERE.search(str(error)):
            return "absent", 0
        raise
    answer = json.loads(lines[-1])
    return answer["status"], answer["current_version_number"] or 0


def settled(handle: str, before: int, interval: float, timeout: float) -> tuple[str, int]:
    """The status once a version after `before` is finished; of -1, once no work is going on.

    FddError after `timeout` seconds. Kaggle is asked every `interval` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        state, version = status(handle)
        if (
            (state == "ready" and version > before)
            or state in ("failed", "deleted")
            or (state == "absent" and before < 0)
        ):
            return state, version
        if time.monotonic() >= deadline:
            raise FddError(
                f"data set {handle}: after {timeout:g} seconds Kaggle still says {state!r} and "
                f"holds version {version}; run this again to go on"
            )
        time.sleep(interval)


def listing(handle: str) -> dict[str, int]:
    """Size in bytes by name of the files that Kaggle holds."""
    header = ["name", "size", "creationDate"]
    sizes: dict[str, int] = {}
    page: list[str] = []
    while True:
        lines = kaggle("datasets", "files", handle, "--csv", "--page-size", "200", *page)
        rows = list(csv.reader(lines))
        if header not in rows:
            raise FddError(f"`kaggle datasets files` printed no list but {' '.join(lines)!r:.300}")
        sizes |= {name: int(size) for name, size, _ in rows[rows.index(header) + 1 :]}
        more = [line.removeprefix("Next Page Token = ") for line in lines if "Token = " in line]
        if not more:
            return sizes
        page = ["--page-token", more[0]]


def differences(handle: str, folder: Path, names: list[str], fetched: list[str]) -> list[str]:
    """In what a version, OWNER/SLUG/NUMBER, is not the files `names` of a folder.

    Names and sizes are compared, and the bytes of those in `fetched`: one file, or all of them.
    """
    there, ours = listing(handle), {name: (folder / name).stat().st_size for name in names}
    wrong = [f"{name!r} is missing" for name in ours.keys() - there.keys()]
    wrong += [f"{name!r} is not ours" for name in there.keys() - ours.keys()]
    wrong += [
        f"{name!r} has {there[name]} bytes, not {ours[name]}"
        for name in ours.keys() & there.keys()
        if there[name] != ours[name]
    ]
    if wrong:
        return sorted(wrong)
    with tempfile.TemporaryDirectory() as place:
        what = ["-f", *fetched] if len(fetched) == 1 else ["--unzip"]
        kaggle("datasets", "download", handle, "-p", place, "-q", *what)
        return [
            f"{name!r} has other bytes"
            for name in fetched
            if not Path(place, name).is_file()
            or not filecmp.cmp(Path(place, name), folder / name, shallow=False)
        ]
