"""The runner: shares the time among the campaigns and ends with their table, as Markdown."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random, SystemRandom

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads that wait for each other are no test

from tqdm import tqdm

from tests.soak import damage, junk, kills, memory, shortage, together, works
from tests.soak.tries import Try

CAMPAIGNS = {
    "kills": kills.tries,
    "damage": damage.tries,
    "together": together.tries,
    "shortage": shortage.tries,
    "junk": junk.tries,
    "memory": memory.tries,
}
LONG = {"memory": 4}
"""Tries that take as long as several of others, of which there are fewer."""

QUIET = 0.1 if sys.stderr.isatty() else 10.0
"""Seconds between two sights of the bar."""


@dataclass
class Found:
    """What was tried, by line of the table, and what differed."""

    tried: Counter[str] = field(default_factory=Counter)
    differed: list[tuple[str, str, str]] = field(default_factory=list)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long it goes on (5)")
    parser.add_argument(
        "--tries", type=int, help="tries of each campaign (of long ones fewer), in place of minutes"
    )
    parser.add_argument("--seed", type=int, help="of what is tried; a new one if not given")
    parser.add_argument("--only", nargs="+", choices=CAMPAIGNS, default=list(CAMPAIGNS))
    parser.add_argument("--work", type=Path, help="folder to work in, which stays")
    return parser.parse_args()


def main() -> int:
    """0: nothing differed. 1: something did. 130: interrupted before it was over."""
    options = arguments()
    seed = SystemRandom().randrange(10**6) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    found, interrupted = Found(), False
    with tempfile.TemporaryDirectory() as temporary:
        place = options.work or Path(temporary)
        try:
            works.prepare(place)
            campaigns = {
                name: CAMPAIGNS[name](Random(f"{seed} {name}"), place) for name in options.only
            }
            if options.tries:
                by_number(campaigns, options.tries, found)
            else:
                by_time(campaigns, 60 * options.minutes, found)
        except KeyboardInterrupt:
            interrupted = True
    print(table(found))
    if found.differed:
        return 1
    return 130 if interrupted else 0


def by_number(campaigns: dict[str, Iterator[Try]], tries: int, found: Found) -> None:
    """Makes as many tries of each campaign."""
    numbers = {name: -(-tries // LONG.get(name, 1)) for name in campaigns}
    with tqdm(total=sum(numbers.values()), unit="try", mininterval=QUIET) as bar:
        for name, coming in campaigns.items():
            for _ in range(numbers[name]):
                make(next(coming), bar, found)
                bar.update()


def by_time(campaigns: dict[str, Iterator[Try]], seconds: float, found: Found) -> None:
    """Makes tries until the time is over; the campaign that had least of it is next."""
    had, begun = dict.fromkeys(campaigns, 0.0), time.monotonic()
    left = "{l_bar}{bar}| {elapsed}, {postfix}"
    with tqdm(total=round(seconds), bar_format=left, mininterval=QUIET) as bar:
        while (now := time.monotonic()) < begun + seconds:
            name = min(had, key=had.__getitem__)
            make(next(campaigns[name]), bar, found, f"{(begun + seconds - now) / 60:.1f} min left")
            had[name] += time.monotonic() - now
            bar.update(round(time.monotonic() - begun) - bar.n)


def make(one: Try, bar: tqdm, found: Found, left: str = "") -> None:
    """Makes a try, counts it, and says what differed."""
    bar.set_postfix_str(f"{left} {one.line} ({one.detail})".strip(), refresh=sys.stderr.isatty())
    differed = one.run()
    found.tried[one.line] += 1
    if differed:
        found.differed.append((one.line, one.detail, differed))
        bar.write(f"DIFFERED: {one.line} ({one.detail}): {differed}", file=sys.stdout)


def table(found: Found) -> str:
    """The table of docs/reliability.md, and below it what differed."""
    differed = Counter(line for line, _, _ in found.differed)
    rows = [
        f"| {line} | {tried:,} | {differed[line] or 'nothing'} |"
        for line, tried in sorted(found.tried.items())
    ]
    parts = ["| what was tried | times | differed |", "|---|---|---|", *rows]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
