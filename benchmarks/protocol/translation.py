"""The protocol of translation as a function of a model and arrays: docs/cyclegan.md in code."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.image_scores import ssim, ssim_floor
from benchmarks.images.paired import pair_floor
from benchmarks.images.retrieval import drawn_ranks, retrieval, successes
from benchmarks.images.translation import binarised, hidden, inverted, noisy, permuted, pixel_l1
from benchmarks.protocol.cells import Cell, cell
from benchmarks.protocol.data import Images
from benchmarks.protocol.descriptions import DESCRIPTIONS
from benchmarks.protocol.evaluation import LEAST_IMAGES, SHOWN, Evaluation
from benchmarks.protocol.settings import SCORE_SPLIT, TARGETS, Fixed
from benchmarks.statistics.arrays import Floats
from benchmarks.statistics.intervals import half_sample_interval
from benchmarks.statistics.permutation import floor_of
from fdd.defaults import with_defaults
from fdd.errors import FddError, whole_number

PROTOCOL = "translation-1"
WAYS = ("forth", "back")
"""From A to B, and from B to A."""
NOISE = (1, 2, 4, 8, 16)
"""Levels of noise, of 255, that are put on translations."""
CAPTIONS = {
    "forth": "G(x)",
    "back": "F(y)",
    "copy": "x itself",
    "mean": "mean of B",
    "mean back": "mean of A",
    "cycle": "F(G(x))",
    "truth": "F(T(x))",
    "binarised": "F(G(x) in black and white)",
    **{f"noise {n}": f"F(G(x) + noise {n})" for n in NOISE},
    "back cycle": "G(F(y))",
    "back truth": "G(T(y))",
    **{f"back noise {n}": f"G(F(y) + noise {n})" for n in NOISE},
}
"""What the sets of a result are of."""
LEAST_ERROR = 1 / 255
"""The least honest error, in L1, that H is taken of: a level."""


@dataclass(frozen=True)
class Settings(Fixed):
    """What the protocol of translation fixes."""

    seed: int = 0
    """Seed of permutations, half-samples and noise."""
    test_images: int = 2000
    """How many images, the first of test, scores are taken on."""
    draws: int = 999
    """Permutations for the baseline of a score."""
    halves: int = 50
    """Half-samples for the standard error of an interval."""
    block: int = 10
    """Images that exchange partners, for the baseline of a score of pairs of images."""


@dataclass(frozen=True)
class Pairs:
    """Test images of two domains, row i of one the translation of row i of the other.

    first, second : uint8 [N, S, S, 3]
    counts : of the attractors that both show, whole numbers [N, S, S]; None leaves out inversion
    palettes : the palette that the pictures of each domain are drawn in, or None
    turned : whether a translation may be turned by 180 degrees
    binary : whether the second domain is black and white
    """

    first: Images
    second: Images
    counts: NDArray[Any] | None = None
    palettes: tuple[str | None, str | None] = (None, None)
    turned: bool = False
    binary: bool = False


class Way:
    """One direction of a translator, on images whose translations are known.

    made: what the model makes of the source; returned: what it makes of that on the way back; best:
    what the told networks make of the source, or None.
    """

    def __init__(self, model: Any, told: Any, pairs: Pairs, back: bool) -> None:
        source, truth = pairs.first, pairs.second
        if back:
            source, truth = truth, source
        self.model, self.told, self.back = model, told, back
        self.source, self.truth = source, truth
        self.palette, self.turned = pairs.palettes[0 if back else 1], pairs.turned
        self.binary = pairs.binary and not back
        self.made = _translated(model, source, back)
        self.returned = _translated(model, self.made, not back)
        self.best = None if told is None else _translated(told, source, back)


@with_defaults
def evaluate(
    model: Any, pairs: Pairs, *, told: Any = None, settings: Settings | None = None
) -> Evaluation:
    """Score a translator.

    Parameters
    ----------
    model : has `translate(images uint8 [N, S, S, 3], back: bool) -> images`
    told : the same networks trained on true pairs, the ceiling; None leaves out ceilings and H
    settings : draws, sizes and seed; those of the protocol if not given

    Raises
    ------
    FddError : for other shapes, fewer than 40 images, and a model that does not translate.
    """
    settings = settings or Settings()
    a, b = _checked(pairs)
    ways = [Way(model, told, pairs, back) for back in (False, True)]
    scores: dict[str, dict[str, Any]] = {name: {} for name in DESCRIPTIONS}

    def put(found: dict[str, Cell], where: str) -> None:
        for name, value in found.items():
            scores[name][where] = value

    for name, way in zip(WAYS, ways, strict=True):
        put(_likeness(way.made, way.truth, way.best, settings), name)
        put(_pairing(way, settings), name)
        put(_inversion(way, pairs.counts, settings), name)
    for name, images, truth in (("copy", a, b), ("mean", _mean(b), b), ("mean back", _mean(a), a)):
        put(_likeness(images, truth, None, settings), name)
    for prefix, way in zip(("", "back "), ways, strict=True):
        for name, found in _hiding(way, settings).items():
            put(found, prefix + name)
    used = asdict(settings) | {"test_images": len(a)}
    result = {
        "protocol": PROTOCOL,
        "deviations": Settings(**used).deviations(),
        "settings": used,
        "split": {"score": SCORE_SPLIT},
        "image_size": a.shape[1],
        "scores": {name: sets for name, sets in scores.items() if sets},
    }
    there, back = ways
    shown = {"x": a, "G(x)": there.made, "T(x)": b, "F(G(x))": there.returned}
    shown |= {"F(y)": back.made, "G(F(y))": back.returned}
    pictures = {name: images[:SHOWN] for name, images in shown.items()}
    return Evaluation(result, np.empty((0, len(TARGETS))), pictures=pictures)


def _checked(pairs: Pairs) -> tuple[Images, Images]:
    for name, images in (("first", pairs.first), ("second", pairs.second)):
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise FddError(
                f"{name} is {images.dtype} {images.shape}: it must be uint8 [N, S, S, 3]"
            )
    if pairs.first.shape != pairs.second.shape:
        raise FddError(
            f"first has shape {pairs.first.shape} and second {pairs.second.shape}: row i of one "
            "must be the translation of row i of the other"
        )
    whole_number("the number of images", len(pairs.first), LEAST_IMAGES)
    return pairs.first, pairs.second


def _translated(model: Any, images: Images, back: bool) -> Images:
    if not hasattr(model, "translate"):
        raise FddError("the model has no translate: there is nothing to score")
    made = np.asarray(model.translate(images, back))
    if made.dtype != np.uint8 or made.shape != images.shape:
        raise FddError(
            f"translate gave {made.dtype} {made.shape}: it must be uint8 {images.shape}, as given"
        )
    return made


def _mean(images: Images) -> Images:
    """The mean of all images, as often as there are images."""
    mean = images.mean(axis=0, dtype=np.float64).round().astype(np.uint8)
    return np.broadcast_to(mean, images.shape).copy()


def _mean_cell(
    values: Floats,
    name: str,
    settings: Settings,
    *,
    chance: float | None = None,
    ceiling: float | None = None,
) -> Cell:
    """The mean of the values [N] of a score, one an image."""
    interval = half_sample_interval(
        lambda rows: values[rows].mean(), len(values), draws=settings.halves, seed=settings.seed
    )
    described = DESCRIPTIONS[name]
    mean = float(values.mean())
    return cell(mean, None, interval, ceiling, chance=chance, described=described)


def _likeness(
    made: Images, truth: Images, best: Images | None, settings: Settings
) -> dict[str, Cell]:
    """L1 and SSIM to the truth, beside those of wrong partners and of what pairs teach."""
    how: dict[str, Any] = {name: getattr(settings, name) for name in ("draws", "block", "seed")}
    floors = {
        "translated_l1": pair_floor(lambda a, b: -pixel_l1(a, b), made, truth, **how),
        "translated_ssim": ssim_floor(made, truth, **how),
    }
    found = {}
    for name, score in (("translated_l1", pixel_l1), ("translated_ssim", ssim)):
        floor, less = floors[name], DESCRIPTIONS[name].less_is_better
        top = None if best is None else float(score(best, truth).mean())
        chance = -float(floor.chance) if less else float(floor.chance)
        one = _mean_cell(score(made, truth), name, settings, chance=chance, ceiling=top)
        found[name] = one | {"p": float(floor.p), "draws": floor.draws}
    return found


def _pairing(way: Way, settings: Settings) -> dict[str, Cell]:
    """How often the truth is found, and how often a cycle closes around another one's truth."""
    truth = way.truth
    also = truth[:, ::-1, ::-1] if way.turned else None
    ranks = drawn_ranks(way.made, truth, also=also, draws=settings.draws, seed=settings.seed)
    tops = {} if way.best is None else successes(retrieval(way.best, truth, also=also).ranks)
    found = {}
    for name in ("top1", "top10"):
        values = successes(ranks)[name].astype(np.float64)
        floor = floor_of(values[0].mean(), values[1:].mean(axis=1))
        top = float(tops[name].mean()) if tops else None
        score = f"translated_{name}"
        one = _mean_cell(values[0], score, settings, chance=float(floor.chance), ceiling=top)
        found[score] = one | {"p": float(floor.p), "draws": floor.draws}
    closed = retrieval(way.returned, way.source).ranks
    content = permuted(closed, ranks[0]).astype(np.float64)
    wrong = float(np.mean([permuted(closed, drawn).mean() for drawn in ranks[1:]]))
    return found | {"permuted": _mean_cell(content, "permuted", settings, chance=wrong)}


def _inversion(way: Way, counts: NDArray[Any] | None, settings: Settings) -> dict[str, Cell]:
    """The share of pictures with inverted colours, beside that with the counts of others."""
    if way.palette is None or counts is None:
        return {}
    palette = way.palette
    own, other = (
        inverted(way.made, of, palette=palette).astype(np.float64)
        for of in (counts, np.roll(counts, 1, axis=0))
    )
    return {"inverted": _mean_cell(own, "inverted", settings, chance=float(other.mean()))}


def _hiding(way: Way, settings: Settings) -> dict[str, dict[str, Cell]]:
    """L1 of the cycle and H by what stands for the translation on its way back."""
    stands = {"cycle": way.made, "truth": way.truth}
    if way.binary:
        stands["binarised"] = binarised(way.made)
    stands |= {f"noise {n}": noisy(way.made, n, seed=settings.seed) for n in NOISE}
    honest = None
    if way.told is not None:
        honest = pixel_l1(_translated(way.told, way.truth, not way.back), way.source)
    found = {}
    for name, images in stands.items():
        errors = pixel_l1(_translated(way.model, images, not way.back), way.source)
        top = None if honest is None else float(honest.mean())
        found[name] = {"cycle_l1": _mean_cell(errors, "cycle_l1", settings, ceiling=top)}
        if honest is not None and honest.mean() > LEAST_ERROR:
            found[name]["hidden"] = _hidden_cell(errors, honest, settings)
    return found


def _hidden_cell(errors: Floats, honest: Floats, settings: Settings) -> Cell:
    interval = half_sample_interval(
        lambda rows: hidden(errors[rows], honest[rows]),
        len(errors),
        draws=settings.halves,
        seed=settings.seed,
    )
    return cell(hidden(errors, honest), None, interval)
