"""Several of the same command at once: each is done or refused, and nothing differs afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

from tests.soak.kills import afterwards
from tests.soak.tries import Try, begin, end_of, last_line
from tests.soak.works import Case, cases, clear


def tries(rng: Random, place: Path) -> Iterator[Try]:
    """One work after another, two to four of it, started at random moments."""
    while True:
        for case in rng.sample(cases(place), len(cases(place))):
            pauses = [rng.uniform(0, case.seconds / 2) for _ in range(rng.randint(1, 3))]
            yield Try(
                f"{case.work.name}: two to four at once",
                f"after {', '.join(f'{pause:.3f}' for pause in pauses)} s",
                partial(_together, case, pauses),
            )


def _together(case: Case, pauses: list[float]) -> str:
    clear(case.folder)
    children = [begin(partial(case.work.make, case.folder))]
    for pause in pauses:
        time.sleep(pause)
        children.append(begin(partial(case.work.make, case.folder)))
    ends = [end_of(child) for child in children]
    for end in ends:
        if end.how != "done" and "is in use" not in end.text:
            return f"one was {end.how}: {last_line(end.text)}"
    if all(end.how == "refused" for end in ends):
        return "all were refused"
    return afterwards(case)
