"""The kinds of pairs: how the second vector of a pair, or the next of a group, follows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from fdd.arithmetic.normal import log, normal_cdf, normal_quantile
from fdd.attractors.families import FAMILIES, Family, Symmetry
from fdd.errors import FddError, known, shown, whole_number
from fdd.releases.candidates import draws
from fdd.releases.cards import Release
from fdd.releases.sampling import Propose

OPTIONS = {
    "start": (),
    "near": ("law", "width"),
    "ou": ("rho", "members"),
    "one": (),
    "some": ("change",),
    "views": ("views",),
}
"""Each kind with the options that it has."""
WIDTH, RHO, CHANGE = 0.1, 0.9, 0.5
"""By default."""
PAIR = 2
"""Members of a group that is a pair."""
MOST_MEMBERS = 1024


@dataclass(frozen=True)
class Kind:
    """A kind of pairs with its options; those of other kinds are None."""

    name: str
    law: str | None = None
    width: tuple[float, ...] | None = None
    rho: float | None = None
    change: float | None = None
    views: tuple[str, ...] | None = None
    members: int = PAIR

    def state(self) -> dict[str, Any]:
        """What JSON can hold of it: its name as "kind", and the options; members where they are no
        pair, so that states of pairs stay what they were before there were groups."""
        values = asdict(self)
        if self.members == PAIR:
            del values["members"]
        return {
            "kind" if name == "name" else name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
        }


def family_of(card: Release) -> Family:
    """The family whose images a release holds."""
    return FAMILIES[card.drawing().family]


def visible_symmetries(family: Family) -> dict[str, Symmetry]:
    """By name, the exact symmetries of a family that move pixels."""
    image = np.arange(4).reshape(2, 2)
    return {
        symmetry.name: symmetry
        for symmetry in family.symmetries
        if symmetry.exact and not np.array_equal(symmetry.effect(image), image)
    }


def checked_kind(
    name: str,
    family: Family,
    law: str | None,
    width: float | Sequence[float] | None,
    rho: float | None,
    change: float | None,
    views: str | Sequence[str] | None,
    members: int | None,
) -> Kind:
    """The kind with these options of `fdd.pairs`; FddError for a wrong one."""
    known("kind", name, OPTIONS)
    given = {"law": law, "width": width, "rho": rho, "change": change, "views": views}
    given |= {"members": members}
    for option, value in given.items():
        owner = next(kind for kind, options in OPTIONS.items() if option in options)
        if value is not None and name != owner:
            raise FddError(
                f"{option}={shown(value)} is an option of kind={shown(owner)}, not of {shown(name)}"
            )
    if name in ("near", "ou", "one", "some") and family.whole:
        raise FddError(
            f"kind={shown(name)} needs parameters from intervals, and {family.name} has whole "
            f"numbers for {', '.join(family.whole)}; choose from start, views"
        )
    if name == "near":
        law = "laplace" if law is None else law
        known("law", law, STEPS)
        return Kind(name, law=law, width=_checked_width(WIDTH if width is None else width, family))
    if name == "ou":
        share = _checked_share("rho", RHO if rho is None else rho)
        count = PAIR if members is None else whole_number("members", members, PAIR, MOST_MEMBERS)
        return Kind(name, rho=share, members=count)
    if name == "some":
        return Kind(name, change=_checked_share("change", CHANGE if change is None else change))
    if name == "views":
        return Kind(name, views=_checked_views(views, family))
    return Kind(name)


def _checked_width(width: Any, family: Family) -> tuple[float, ...]:
    """A width for each parameter after the start."""
    names, longest = family.parameters[2:], [high - low for low, high in family.ranges[2:]]
    try:
        widths = np.asarray(width)
        good = widths.dtype.kind in "iuf" and widths.shape in ((), (len(names),))
        good = good and bool(((widths > 0) & (widths <= longest)).all())
    except ValueError:  # rows of different lengths
        good = False
    if not good:
        most = ", ".join(dict.fromkeys(f"{length:g}" for length in longest))
        raise FddError(
            f"width={shown(width, 80)} must be a number above 0 and at most {most}, or "
            f"{len(names)} of them, for {', '.join(names)}"
        )
    return tuple(np.broadcast_to(widths, len(names)).astype(float).tolist())


def _checked_share(option: str, value: Any) -> float:
    if isinstance(value, (int, float, np.integer, np.floating)) and 0 < value < 1:
        return float(value)
    raise FddError(f"{option}={shown(value)} must be a number above 0 and below 1")


def _checked_views(views: Any, family: Family) -> tuple[str, ...]:
    choices = visible_symmetries(family)
    if not choices:
        raise FddError(
            f"kind='views' needs an exact symmetry that moves pixels, and {family.name} has none; "
            "choose from start, near, ou, one, some"
        )
    chosen = (views,) if isinstance(views, str) else tuple(choices) if views is None else views
    if (
        not isinstance(chosen, (list, tuple))
        or not chosen
        or len({*map(str, chosen)}) < len(chosen)
    ):
        raise FddError(f"views={shown(views)} must be different names out of {', '.join(choices)}")
    for name in chosen:
        known("views", name, choices)
    return tuple(chosen)


def inside(uniform: np.ndarray) -> np.ndarray:
    """Uniform numbers from 0 to 1 kept off the ends, whose quantiles would be infinite."""
    return np.clip(uniform, 2.0**-54, 1.0 - 2.0**-53)


def laplace(uniform: np.ndarray) -> np.ndarray:
    """Uniform numbers from 0 to 1 as draws of density exp(-|x|) / 2, by its quantiles."""
    p = inside(uniform)
    return np.where(p < 0.5, 1.0, -1.0) * log(2.0 * np.minimum(p, 1.0 - p))


def normal(uniform: np.ndarray) -> np.ndarray:
    """Uniform numbers from 0 to 1 as draws of N(0, 1), by its quantiles."""
    return normal_quantile(inside(uniform))


def normal_scores(vectors: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Of vectors [n, P] in their ranges: the normal quantiles of their places in these."""
    return normal((vectors - low) / (high - low))


STEPS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"laplace": laplace, "normal": normal}


def reflected(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Numbers [..., P] folded into [low, high] [P], as between two mirrors at its ends."""
    width = high - low
    along = np.mod(x - low, 2.0 * width)
    return low + np.where(along > width, 2.0 * width - along, along)


@dataclass(frozen=True)
class Firsts:
    """The first vectors of some pairs, float64 [n, P], and the random streams of the second ones.

    indices: int64 [n], the numbers of the pairs; low and high: float64 [P], the ranges. For "ou"
    `known` vectors of each group are there already, of which the scores have the sum `scores`
    [n, P]; None for other kinds.
    """

    kind: Kind
    name: str
    indices: np.ndarray
    vectors: np.ndarray
    low: np.ndarray
    high: np.ndarray
    scores: np.ndarray | None
    known: int = 1

    def followed(self, others: np.ndarray) -> Firsts:
        """The same with one vector more of each group, float64 [n, P]."""
        assert self.scores is not None
        scores = self.scores + normal_scores(others, self.low, self.high)
        return replace(self, scores=scores, known=self.known + 1)

    @property
    def numbers(self) -> np.ndarray | None:
        """What each pair has of its own, int64 [n], uniform; None where the kind has no such thing.

        For "one" the column of the parameter that differs, for "views" which of the views it is.
        """
        if self.kind.name not in ("one", "views"):
            return None
        among = len(self.low) if self.kind.views is None else len(self.kind.views)
        name = f"{self.name}/number"
        drawn = draws(name, self.indices, 0, np.zeros(1), np.full(1, float(among)))
        return np.floor(drawn[:, 0]).astype(np.int64)

    def uniform(self, places: np.ndarray, attempt: int, columns: int) -> np.ndarray:
        """Draw number `attempt` for the pairs at these places: from 0 to below 1, [m, columns]."""
        zeros, ones = np.zeros(columns), np.ones(columns)
        name = self.name if self.known == 1 else f"{self.name}/{self.known}"
        return draws(name, self.indices[places], attempt, zeros, ones)


def firsts_of(
    kind: Kind, card: Release, split: str, indices: np.ndarray, vectors: np.ndarray
) -> Firsts:
    """The first vectors of these pairs of a split."""
    low, high = np.array(family_of(card).ranges).T
    scores = None if kind.rho is None else normal_scores(vectors, low, high)
    return Firsts(kind, f"{card.name}/{split}/{kind.name}", indices, vectors, low, high, scores)


def _start(firsts: Firsts) -> Propose:
    low, width = firsts.low[:2], (firsts.high - firsts.low)[:2]

    def propose(places: np.ndarray, attempt: int) -> np.ndarray:
        drawn = low + width * firsts.uniform(places, attempt, 2)
        return np.hstack([drawn, firsts.vectors[places, 2:]])

    return propose


def _near(firsts: Firsts) -> Propose:
    step, width = STEPS[str(firsts.kind.law)], np.array(firsts.kind.width)
    low, high = firsts.low[2:], firsts.high[2:]

    def propose(places: np.ndarray, attempt: int) -> np.ndarray:
        vectors = firsts.vectors[places]
        moved = vectors[:, 2:] + width * step(firsts.uniform(places, attempt, len(width)))
        return np.hstack([vectors[:, :2], reflected(moved, low, high)])

    return propose


def _ou(firsts: Firsts) -> Propose:
    """Given k scores, any two of which have the correlation rho, the next one is normal with the
    mean weight * their sum and the variance 1 - k * rho * weight."""
    low, width, known = firsts.low, firsts.high - firsts.low, firsts.known
    scores = firsts.scores
    assert scores is not None
    rho = float(firsts.kind.rho or 0.0)
    weight = rho / (1.0 + (known - 1) * rho)
    noise = math.sqrt(1.0 - known * rho * weight)

    def propose(places: np.ndarray, attempt: int) -> np.ndarray:
        drawn = normal(firsts.uniform(places, attempt, len(low)))
        return low + width * normal_cdf(weight * scores[places] + noise * drawn)

    return propose


def _one(firsts: Firsts) -> Propose:
    numbers = firsts.numbers
    assert numbers is not None
    low, width = firsts.low[numbers], (firsts.high - firsts.low)[numbers]

    def propose(places: np.ndarray, attempt: int) -> np.ndarray:
        vectors = firsts.vectors[places]
        drawn = firsts.uniform(places, attempt, 1)[:, 0]
        vectors[np.arange(len(places)), numbers[places]] = low[places] + width[places] * drawn
        return vectors

    return propose


def _some(firsts: Firsts) -> Propose:
    low, width, columns = firsts.low, firsts.high - firsts.low, len(firsts.low)
    zeros, ones = np.zeros(columns), np.ones(columns)
    drawn_once = draws(f"{firsts.name}/number", firsts.indices, 0, zeros, ones)
    anew = drawn_once < float(firsts.kind.change or 0.0)
    anew[:, :2] = True

    def propose(places: np.ndarray, attempt: int) -> np.ndarray:
        drawn = low + width * firsts.uniform(places, attempt, columns)
        return np.where(anew[places], drawn, firsts.vectors[places])

    return propose


SECONDS: dict[str, Callable[[Firsts], Propose]] = {
    "start": _start,
    "near": _near,
    "ou": _ou,
    "one": _one,
    "some": _some,
}
"""What proposes the second vectors of each kind; those of "views" are not drawn."""


def viewed(firsts: Firsts, symmetries: dict[str, Symmetry], numbers: np.ndarray) -> np.ndarray:
    """The vectors whose images are these views of the first ones: float64 [n, P]."""
    changes = [symmetries[name].change for name in firsts.kind.views or ()]
    rows = zip(numbers.tolist(), firsts.vectors.tolist(), strict=True)
    return np.array([changes[number](tuple(vector)) for number, vector in rows])


def pixels_of(symmetry: Symmetry, size: int) -> np.ndarray:
    """For each pixel of a view, row by row, its place in the image: int64 [size * size]."""
    places = np.arange(size * size).reshape(size, size)
    return np.ascontiguousarray(symmetry.effect(places)).ravel()
