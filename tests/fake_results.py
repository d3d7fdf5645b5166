"""Scores and pictures as the protocol gives them, made by hand, and pages taken apart again."""

from html.parser import HTMLParser

import numpy as np

from benchmarks.protocol.descriptions import DESCRIPTIONS, QUESTIONS
from benchmarks.protocol.evaluation import Evaluation
from benchmarks.protocol.images import CAPTIONS, CONDITIONS
from benchmarks.protocol.settings import PROTOCOL, SETS, TARGETS

KINDS = ("linear_r2", "nonlinear_r2", "boosting_r2", "neighbours_r2")
HOSTILE = "<script>alert('&\")</script>"
IMAGES = 40
SIZES = {"canonical": 1, "raw": 0.6, "start": 0.05, "magnitudes": 1.2, "signs": 0.1}
"""R2 by set, as multiples of a level."""


def cell(score, chance=0.05, ceiling=0.95, **other):
    """A score with everything that may stand beside it."""
    share = (score - chance) / (ceiling - chance)
    spread = {"low": score - 0.02, "high": score + 0.02}
    null = {"chance": chance, "chance_95": chance + 0.03, "p": 0.001, "draws": 999}
    return {"score": score, **spread, **null, "ceiling": ceiling, "share": share, **other}


def code_scores(level):
    """Scores of codes around a level from 0 to 1."""
    found = {
        kind: {
            name: {
                label: cell(level * SIZES[name])
                for label in [*(TARGETS[i] for i in columns), "mean"]
            }
            for name, columns in SETS.items()
        }
        for kind in KINDS
    }
    for question in ("read", "single", "geometry", "old"):
        for name in QUESTIONS[question].scores.keys() - found.keys():
            kinds = ("canonical", "raw") if name.startswith("dci") else SETS
            found[name] = dict.fromkeys(kinds, cell(level))
    found["procrustes"] = {kind: cell(1 - level, 0.99, 0.02) for kind in SETS}
    found["mcc"]["start"] = cell(0.06, p=0.4)
    return found


def image_scores(level, conditions=CONDITIONS):
    """Scores of a generator and of its samples around a level from 0 to 1."""
    found = {
        name: {condition: cell(level) for condition in conditions}
        for name in QUESTIONS["generator"].scores
    }
    labels = ("a'", "b'", "c", "d", "mean")
    found["oracle_r2"] = {c: {label: cell(level) for label in labels} for c in conditions}
    for name in QUESTIONS["samples"].scores:
        less = DESCRIPTIONS[name].less_is_better
        one = cell(30 * (1 - level), 40.0, 1.5) if less else cell(level)
        one |= {"p_same": one.pop("p")}
        found[name] = {"samples": one}
    return found


def result(name="first", level=0.6, *, run=None, seed=None, scores=None, **other):
    """A result; `seed` puts it beside others of that name."""
    run = run or (f"runs/{name}" if seed is None else f"runs/{name}-seed{seed}")
    return {
        "protocol": PROTOCOL,
        "deviations": [],
        "settings": {"seed": 0, "train_images": 4000, "test_images": 2000, "draws": 999},
        "split": {"fit": "train", "score": "test"},
        "image_size": 32,
        "latent_size": 6,
        "scores": code_scores(level) | image_scores(level) if scores is None else scores,
        "name": name,
        "run": run,
        "checkpoint": "last",
        "config": {"baseline": "aae", "seed": seed or 0, "steps": 4000},
        "weights_sha256": "ab" * 32,
        "data_version": "mini-1",
        "fdd_version": "0.1.0",
        "oracle": {"origin": "shipped", "sha256": "cd" * 32},
        **other,
    }


def evaluation(name="first", *, encoder=True, generator=True, level=0.6, **options):
    """An Evaluation of such a result, with or without what an encoder and a generator add."""
    rng = np.random.default_rng(0)
    parts = code_scores(level) if encoder else {}
    conditions = CONDITIONS if encoder else ("direct",)
    parts |= image_scores(level, conditions) if generator else {}
    found = result(name, level, scores=parts, **options)
    truth = rng.uniform(-3, 3, (IMAGES, len(TARGETS)))
    rows = {"FD(v)": 0, "FD path": 1}
    rows |= {CAPTIONS["direct"]: 2, "G path": 3} if generator else {}
    rows |= {CAPTIONS["aligned"]: 4, CAPTIONS["reconstruction"]: 5} if generator and encoder else {}
    pictures = {name: rng.integers(0, 256, (8, 16, 16, 3), dtype=np.uint8) for name in rows}
    if not encoder:
        return Evaluation(found, truth, pictures=pictures)
    noisy, related = truth + rng.normal(size=truth.shape), rng.uniform(0, 1, (6, len(TARGETS)))
    return Evaluation(found, truth, noisy, related, pictures)


class Parsed(HTMLParser):
    """A page's tags with their attributes, its text, and the text of each table row."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.words, self.rows = [], [], []
        self.feed(html)
        self.text = " ".join(self.words)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, data):
        if data.strip():
            self.words.append(data.strip())
            if self.rows:
                self.rows[-1].append(data.strip())

    def all_of(self, attribute):
        return [found[attribute] for _, found in self.tags if attribute in found]
