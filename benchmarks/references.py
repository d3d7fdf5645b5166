"""Scores to put beside those of models: of codes without any training, and of the oracle's codes.

    python -m benchmarks.references --data mini-1

writes one result file for each, and `python -m benchmarks.leaderboard` takes them like others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

import fdd
from benchmarks.adapters.functions import StoredCodes
from benchmarks.images import features
from benchmarks.oracle import load_oracle
from benchmarks.protocol.data import Data, read_data
from benchmarks.protocol.evaluation import evaluate, head
from benchmarks.protocol.parts import Tell, processes_for, progress, quiet, run_parts
from benchmarks.protocol.settings import Settings
from benchmarks.reporting.files import check_out, strict_json, write_files
from benchmarks.statistics.arrays import Floats, require
from benchmarks.statistics.threads import one_thread_for_all
from fdd.commands import arguments_of, command
from fdd.errors import printable, whole_number
from fdd.files import alone_in, as_path
from fdd.options import parse
from fdd.releases.cards import release

Images = NDArray[np.uint8]

LABELLED = ("identity", "rotated", "oracle")
"""Which of them know parameters."""
CODES = 32
"""Numbers in a code of `noise` and of `pixels`."""


def references(data: Data, seed: int = 0) -> dict[str, StoredCodes]:
    """Codes without a model, by name.

    identity: canonical a', b', c, d. rotated: the same, standardised and rotated at random.
    noise: normal numbers. pixels: 32 principal components of the pixels. network: channels of an
    untrained convolutional network. oracle: what the oracle reads, if there is one.
    """
    (train, train_params), (test, params) = data.train, data.test
    rng = np.random.default_rng(seed)
    true = [fdd.canonical_params(np.asarray(p))[:, 2:] for p in (train_params, params)]
    middle, spread = true[0].mean(axis=0), true[0].std(axis=0)
    rotation = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    pixels = features.pixel_pca(train, components=min(CODES, len(train)))
    network = features.random_convolution(seed)
    found: dict[str, Sequence[Any]] = {
        "identity": true,
        "rotated": [(one - middle) / spread @ rotation for one in true],
        "noise": [rng.standard_normal((len(one), CODES)) for one in true],
        "pixels": [pixels(images) for images in (train, test)],
        "network": [network(images) for images in (train, test)],
    }
    if data.oracle_codes is not None:
        found["oracle"] = data.oracle_codes
    return {name: _stored(name, *codes) for name, codes in found.items()}


def _stored(name: str, train: Floats, test: Floats) -> StoredCodes:
    by_split: Mapping[str, Floats] = {"train": train, "test": test}
    track = "labels" if name in LABELLED else "none"
    return StoredCodes(train.shape[1], by_split, name, supervision=track)


@dataclass(frozen=True)
class Options:
    """Score codes that take no training, and the oracle's; one result file each: OUT/NAME.json."""

    data: str = "mini-1"
    """The release."""
    out: Path | None = None
    """Where to write; references-RELEASE if not given."""
    images: int = Settings.test_images
    """Test images to score on."""
    train_images: int = Settings.train_images
    """Train images to fit on."""
    seed: int = 0
    """Seed of the rotation, the noise, the network, the subsets and the permutations."""
    oracle: Path | None = None
    """What `python -m benchmarks.reader` wrote; fdd-1 and mini-1 have one."""
    processes: int | None = None
    """Processes that score side by side; if not given, one for each processor, up to 6, and one
    alone for fewer than 2000 images."""


def score_references(
    options: Options,
    say: Callable[[str], None] = lambda text: None,
    tell: Tell = quiet,
    others: Settings | None = None,
) -> dict[str, dict[str, Any]]:
    """The results by name, each written to its file before the next.

    FddError as `evaluate`, and for a folder that another process works in.

    Settings that are no options are those of the protocol, or `others`.
    """
    card = release(options.data)
    settings = replace(
        others or Settings(),
        seed=whole_number("seed", options.seed, 0),
        train_images=whole_number("train_images", options.train_images, 40),
        test_images=whole_number("images", options.images, 40),
    )
    out = as_path("out", f"references-{card.name}" if options.out is None else options.out)
    check_out(out)
    oracle = load_oracle(card.name, options.oracle)
    processes = processes_for(options.images, options.processes)
    run = partial(run_parts, processes=processes, tell=tell)
    found = {}
    with alone_in(out):
        data = read_data(card.name, card.size, settings, oracle, run)
        for name, model in references(data, options.seed).items():
            with one_thread_for_all():
                result = evaluate(model, data, settings=settings, run=run).result
            about = head(name, card.name, oracle, supervision=model.supervision or "none")
            found[name] = result = result | about
            write_files(out, {f"{name}.json": strict_json(result).encode()})
            say(f"{name}: {out / name}.json")
    return found


@command()
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status, as `fdd.commands.command` says."""
    options = parse(Options, arguments_of(argv), "python -m benchmarks.references")
    for package in ("scipy", "sklearn", "torch"):
        require(package)
    with progress() as tell:
        score_references(options, lambda text: tqdm.write(printable(text), file=sys.stderr), tell)
    return 0


if __name__ == "__main__":
    sys.exit(main())
