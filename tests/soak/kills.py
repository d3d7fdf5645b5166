"""Kills at each file-system event and at random moments: the next run ends as one alone does."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

from tests.soak.tries import Try, alone, difference, last_line
from tests.soak.works import Case, cases, clear


def tries(rng: Random, place: Path) -> Iterator[Try]:
    """Each work at all its events, in random order, and between them at random moments."""
    while True:
        coming = [(case, event) for case in cases(place) for event in range(1, case.events + 1)]
        rng.shuffle(coming)
        for case, event in coming:
            line = f"{case.work.name}: killed at one of its {case.events} file-system events"
            yield Try(line, f"event {event}", partial(_at_event, case, event))
            other = rng.choice(cases(place))
            moments = [rng.uniform(0, other.seconds) for _ in range(rng.randint(1, 3))]
            yield Try(
                f"{other.work.name}: killed at random moments, up to three times",
                f"after {', '.join(f'{moment:.3f}' for moment in moments)} s",
                partial(_at_moments, other, moments),
            )


def _at_event(case: Case, event: int) -> str:
    clear(case.folder)
    end = alone(partial(case.work.make, case.folder), folder=case.folder, kill_at=event)
    if end.how != "killed":
        return f"it was not killed at event {event}: {end.how} {last_line(end.text)}"
    return afterwards(case)


def _at_moments(case: Case, moments: list[float]) -> str:
    clear(case.folder)
    for moment in moments:
        end = alone(partial(case.work.make, case.folder), kill_after=moment)
        if end.how not in ("done", "killed"):
            return f"it ended with {last_line(end.text)}"
    return afterwards(case)


def afterwards(case: Case) -> str:
    """What differs from the undisturbed result once the work is done again, or ""."""
    read = alone(partial(case.work.read, case.folder))
    if read.how not in ("done", "refused"):
        return f"reading what was there ended with {last_line(read.text)}"
    end = alone(partial(case.work.make, case.folder))
    if end.how != "done":
        return f"the next run was {end.how}: {last_line(end.text)}"
    return difference(case.work.tree(case.folder), case.tree)
