"""From (version, split, index) to parameters: random access, the same on every machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fdd.attractors.params import NAMES
from fdd.defaults import with_defaults
from fdd.devices import available_threads
from fdd.errors import MOST, whole_number
from fdd.releases.candidates import candidates
from fdd.releases.cards import DEFAULT_VERSION, Release, release
from fdd.rendering.cpu import select
from fdd.rendering.cpu_kernel import GROUP

Propose = Callable[[np.ndarray, int], np.ndarray]
"""propose(places int64 [m], attempt) gives candidate number `attempt` of the images at these places
of a block: float64 [m, 6]."""
Render = Callable[[np.ndarray], tuple[Any, np.ndarray]]
"""render(rows float64 [m, 6]) gives (images [m, ...], accepted bool [m])."""
Keep = Callable[[np.ndarray, Any, np.ndarray], None]
"""keep(places, images, chosen) puts the images of the rows `chosen` at `places` of a block."""


def proposed(card: Release, split: str, indices: np.ndarray) -> Propose:
    """The candidates of the images of these indices, int64 [n]."""
    return lambda places, attempt: candidates(card, split, indices[places], attempt)


@with_defaults
def first_accepted(
    images: int,
    propose: Propose,
    render: Render,
    keep: Keep,
    together: int,
) -> np.ndarray:
    """Parameters of a block of that many images: float64 [images, 6].

    Each image takes its first accepted candidate. Rendering a few rows takes nearly as long as
    rendering `together` of them, so images that are still open try several candidates in one round.
    """
    params = np.empty((images, len(NAMES)))
    places, attempt = np.arange(images), 0
    while len(places):
        tries = max(1, together // len(places))
        rows = np.stack([propose(places, attempt + i) for i in range(tries)])
        drawn, accepted = render(rows.reshape(-1, rows.shape[-1]))
        accepted = accepted.reshape(tries, len(places))
        done = accepted.any(axis=0)
        first, column = accepted.argmax(axis=0)[done], np.flatnonzero(done)
        keep(places[done], drawn, first * len(places) + column)
        params[places[done]] = rows[first, column]
        places, attempt = places[~done], attempt + tries
    return params


def draw_in_rounds(
    card: Release,
    split: str,
    indices: np.ndarray,
    render: Render,
    keep: Keep,
    together: int,
) -> np.ndarray:
    """Parameters float64 [n, 6] of the images of these indices, int64 [n]; see `first_accepted`."""
    return first_accepted(len(indices), proposed(card, split, indices), render, keep, together)


def draw(
    card: Release,
    split: str,
    start: int,
    rows: int,
    counts: np.ndarray | None = None,
    threads: int | None = None,
) -> np.ndarray:
    """Parameters float64 [rows, 6] of images start .. start + rows - 1 of a split.

    `counts`, unsigned integers [rows, H, W], receives the accepted counts.
    """
    indices = np.arange(start, start + rows, dtype=np.int64)
    return draw_in_rounds(card, split, indices, *on_cpu(card, rows, counts, threads))


def on_cpu(
    card: Release, rows: int, counts: np.ndarray | None = None, threads: int | None = None
) -> tuple[Render, Keep, int]:
    """The last three arguments of `first_accepted`, for a block of that many images on the CPU.

    Accepted are candidates that occupy enough pixels; the degenerate ones occupy none. `counts`,
    unsigned integers [rows, H, W], receives the accepted counts.
    """
    drawing = card.drawing("counts")
    together = GROUP * (threads or available_threads())
    # memory that is touched for the first time costs more than the counts in it: one for all rounds
    most = 0 if counts is None else max(rows, together)
    images = np.empty((most, *drawing.shape), np.uint16 if counts is None else counts.dtype)

    def render(params: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        kept = images[: len(params)]
        return kept, select(drawing, params, card.occupied_cells, kept, threads)

    def keep(places: np.ndarray, images: np.ndarray, chosen: np.ndarray) -> None:
        if counts is not None:
            for place, row in zip(places, chosen, strict=True):
                counts[place] = images[row]

    return render, keep, together


def sample_params(
    n: int, split: str = "train", start: int = 0, version: str = DEFAULT_VERSION
) -> np.ndarray:
    """Rows start to start + n - 1 of a split's parameters: float64 [n, 6].

    Columns x0, y0, a, b, c, d; raw ranges [-1, 1] for the first two and [-3, 3] for the others. The
    stream goes on beyond the split's stored size, so there is no end of new rows. Each row
    costs about two renderings, since half of the candidates occupy too few pixels.

    Raises FddError for an unknown split or version, a negative number, or n above 10^9.
    """
    card = release(version)
    card.rows(split)
    n = whole_number("n", n, 0, MOST)
    start = whole_number("start", start, 0, 2**62)
    blocks = [
        draw(card, split, first, min(4096, start + n - first))
        for first in range(start, start + n, 4096)
    ]
    return np.concatenate([np.empty((0, len(NAMES))), *blocks])
