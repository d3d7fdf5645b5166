"""What the scores of a run say, in words: the first thing that a reader gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.protocol.descriptions import QUESTIONS, description_of
from benchmarks.protocol.images import CAPTIONS
from benchmarks.reporting.runs import WEAK, Place, Run, beats_chance, parameter_text, share_of

RULES = (
    "Better than chance: p is at most 0.05 or, where a score has no p, all of its 95 % interval is "
    "better than chance.",
    "Read: R2 by kernel ridge of |a|, sign(a) b, c and d on test images, as a share of the way "
    "from chance to what the oracle reads. Named are parameters that are better than chance and "
    "have come 5 % of that way; of one that is not, its magnitude or its sign where these are.",
    "Found: how often FD(v), the renderer's image of v, is among the ten test images nearest to "
    "the generator's. G(v) or G(Mv + b) is judged, whichever finds more, and G(E(FD(v))) where "
    "neither is better than chance.",
    "The outline is right from a third of the way from chance to the ceiling in this score, which "
    "is what the renderer gets from another starting point, or else 1, and partly right from 5 %.",
    "The grain is right from two thirds of that way in oracle R2, which asks whether v can still "
    "be read from the generator's image, and partly right from 5 %. Ways begin at 0 where chance "
    "is less.",
)
"""How `verdict` finds its words."""
RULES_OF_TRANSLATIONS = (
    "Found: how often the true translation T(x) of a test image x is, of all translations, the one "
    "nearest to G(x); with y and F(y) the same. Named are ways that are better than chance: p is "
    "at most 0.05.",
    "Inverted: more than half of the pictures rank their cells the wrong way round.",
    "Hidden: the 95 % interval of H lies above 0, and H with T(x) in place of G(x) lies below it.",
)
"""How it finds them for translations."""

FIRST = "translated_top1"
MOST = 0.5
"""Share of pictures above which colours are inverted."""
TRACE = 0.05
"""The least share that is worth a word."""
OUTLINE, GRAIN = 1 / 3, 2 / 3
"""Shares from which these are right."""
READ = {
    "a'": (),
    "b'": ("abs(b)", "sign(a b)"),
    "c": ("abs(c)", "sign(c)"),
    "d": ("abs(d)", "sign(d)"),
}
"""The canonical parameters, and the magnitude and the sign that each consists of, if of both."""
NAMES = {"a'": "|a|", "b'": "sign(a) b"}
R2 = "nonlinear_r2"
NOTHING = "Learned nothing of v: neither its codes nor its images are better than chance."


@dataclass(frozen=True)
class Sentence:
    """A sentence, and whether it says that nothing was found."""

    text: str
    nothing: bool = False


def verdict(run: Run) -> str:
    """What a run has learned of v, in a sentence on its codes and one on its images, by RULES; or
    what a translator has found, by RULES_OF_TRANSLATIONS.

    "" for a run that has none of the scores that these are about.
    """
    if run.cell((FIRST, "forth")):
        return " ".join([*_pairings(run), *_inversion(run), *_hiding(run)])
    found = [one for one in (_of_codes(run), _of_images(run) or _of_samples(run)) if one]
    if len(found) == 2 and all(one.nothing for one in found):
        return NOTHING
    return " ".join(one.text for one in found)


def rules_of(runs: Sequence[Run]) -> tuple[str, ...]:
    """How `verdict` finds its words for these runs, of one protocol."""
    return RULES_OF_TRANSLATIONS if runs[0].cell((FIRST, "forth")) else RULES


def _pairings(run: Run) -> list[str]:
    """How often each way finds the truth."""
    said = []
    for way, truth, made in (("forth", "T(x)", "G(x)"), ("back", "T(y)", "F(y)")):
        cell = run.cell((FIRST, way)) or {}
        if beats_chance(cell, description_of(FIRST)):
            often = (
                f"in {_percent(cell['score'])} of cases, by chance in {_percent(cell['chance'])}"
            )
            said.append(f"{truth} is the translation nearest to {made} {often}.")
        else:
            said.append(f"{made} finds {truth} no more often than chance does.")
    return said


def _inversion(run: Run) -> list[str]:
    cell = run.cell(("inverted", "forth"))
    if cell is None or cell["score"] <= MOST:
        return []
    return [f"Colours are inverted in {_percent(cell['score'])} of the pictures."]


def _hiding(run: Run) -> list[str]:
    cycle, truth = run.cell(("hidden", "cycle")), run.cell(("hidden", "truth"))
    if cycle is None or truth is None or "low" not in cycle:
        return []
    if cycle["low"] <= 0 or truth["score"] >= cycle["low"]:
        return ["Nothing is hidden in G(x) that could be shown."]
    return [f"What is hidden in G(x) saves {_percent(cycle['score'])} of the honest error."]


def condition_of(run: Run) -> str | None:
    """The code for which its generator is judged, one of CAPTIONS: see RULES.

    None without a generator that can be asked for v.
    """
    asked, found = _asked(run), _beating(run)
    if asked in found or "reconstruction" not in found:
        return asked
    return "reconstruction"


def _asked(run: Run) -> str | None:
    """That of the codes that are made from v with which the generator finds most."""
    names = [name for name in ("direct", "aligned") if run.cell(("top10", name))]
    return max(names, key=lambda name: _share(run, ("top10", name)), default=None)


def _beating(run: Run) -> list[str]:
    """The conditions in which FD(v) is found more often than by chance."""
    return [name for name in CAPTIONS if _share(run, ("top10", name)) > 0]


def _of_codes(run: Run) -> Sentence | None:
    cells = [run.cell((R2, "canonical", name)) for name in READ]
    if not all(cells):
        return None
    of = "of what an oracle reads" if "ceiling" in (cells[0] or {}) else "of the variance"
    shares = {name: _share(run, (R2, "canonical", name)) for name in READ}
    asked: dict[str, float] = {}
    for name, halves in READ.items():
        asked[NAMES.get(name, name)] = shares[name]
        if shares[name] < TRACE:
            for half in halves:
                kind = "signs" if half.startswith("sign") else "magnitudes"
                asked[parameter_text(half)] = _share(run, (R2, kind, half))
    read = {name: share for name, share in asked.items() if share >= TRACE}
    little = "next to " if any(0 < share < TRACE for share in asked.values()) else ""
    if not read and not little:
        return Sentence("Reads nothing of v: no parameter better than chance.", nothing=True)
    if not read:
        return Sentence(f"Reads next to nothing of v: of each parameter less than 5 % {of}.")
    *first, last = (f"{name} to {_percent(share)}" for name, share in read.items())
    listed = f"{', '.join(first)} and {last}" if first else last
    rest = "" if min(shares.values()) >= TRACE else f", and {little}nothing else of v"
    return Sentence(f"Reads {listed} {of}{rest}.")


def _of_images(run: Run) -> Sentence | None:
    asked, judged = _asked(run), condition_of(run)
    if judged is None:
        return None
    by_chance = f"{CAPTIONS[asked or judged]} finds FD(v) no more often than chance does"
    if judged not in _beating(run):
        return Sentence(f"{by_chance}.", nothing=True)
    found, read = run.cell(("top10", judged)) or {}, run.cell(("oracle_r2", judged, "mean"))
    often = (
        f"FD(v) is among the ten images nearest to {CAPTIONS[judged]} in "
        f"{_percent(found['score'])} of cases"
    )
    if "chance" in found:
        often += f", by chance in {_percent(found['chance'])}"
    outline = _word(_share(run, ("top10", judged)), OUTLINE)
    said = f"the outline is {outline}"
    if read is not None:
        grain = _word(_share(run, ("oracle_r2", judged, "mean")), GRAIN)
        said += f", the grain is {grain}"
        if grain == outline:
            said = f"outline and grain are {grain}"
    before = f"{by_chance}, but " if asked and judged == "reconstruction" else ""
    return Sentence(f"{before}{often}: {said}.")


def _of_samples(run: Run) -> Sentence | None:
    """Of a generator that cannot be asked for v."""
    for name, described in QUESTIONS["samples"].scores.items():
        cell = run.cell((name, "samples"))
        if cell and "p_same" in cell:
            apart = "differ from" if cell["p_same"] <= WEAK else "cannot be told from"
            best = f", {described.written(cell['ceiling'])} for other real images"
            return Sentence(
                f"Its samples {apart} real images: {described.title} "
                f"{described.written(cell['score'])}{best if 'ceiling' in cell else ''}."
            )
    return None


def _share(run: Run, place: Place) -> float:
    """How far, from 0 to 1, a score has come from chance, or 0 where that is more, to its ceiling,
    or else its best value; 0 if it is no better than chance."""
    cell, described = run.cell(place), description_of(place[0])
    if cell is None or not beats_chance(cell, described):
        return 0.0
    start, end = max(cell.get("chance", 0.0), 0.0), cell.get("ceiling", described.best)
    return share_of({**cell, "chance": start, "ceiling": end}, described) or 0.0


def _word(share: float, right: float) -> str:
    return "right" if share >= right else "partly right" if share >= TRACE else "wrong"


def _percent(share: float) -> str:
    return f"{100 * share:.{0 if share >= 0.01 else 1}f} %"
