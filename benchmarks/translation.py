"""Do images get their own translations? The scores of models that translate between two domains.

    python -m benchmarks.translation runs/cyclegan-mini-seed0 --paired runs/paired

docs/cyclegan.md says what is done; `benchmarks.protocol.translation.evaluate` does it, as a
function of a model and arrays. The command draws the test images of the domains of each run, of
which every translation is known, and writes scores.json, index.html and figures.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

import fdd
from benchmarks.correspondence import run_name
from benchmarks.protocol.data import BLOCK
from benchmarks.protocol.evaluation import LEAST_IMAGES, Evaluation, head
from benchmarks.protocol.settings import SCORE_SPLIT
from benchmarks.protocol.translation import Pairs, Settings, evaluate
from benchmarks.reporting.figures import all_figures
from benchmarks.reporting.files import check_out, write_report
from benchmarks.reporting.saved import write_run
from benchmarks.reporting.text import as_text
from benchmarks.statistics.arrays import require
from benchmarks.statistics.threads import one_thread_for_all
from fdd.commands import arguments_of, command, say
from fdd.errors import FddError, shown, whole_number
from fdd.files import PATIENCE, alone_in, as_path, not_linked
from fdd.options import Arg, parse
from fdd.releases.cards import release

PALETTES = {
    "palettes": ("kbc", "inferno"),
    "mask": ("kbc", None),
    "points": ("kbc", "kbc"),
    "sign": ("kbc", "kbc"),
    "turn": ("kbc", "kbc"),
}
"""The palettes of each two domains."""


@dataclass(frozen=True)
class Options:
    """Score translations between two domains, of which the truth is known, on test images.

    Each run gets scores.json and index.html in RUN/translation.
    """

    runs: Annotated[tuple[Path, ...], Arg("RUN", positional=True)] = ()
    """Run folders of the baseline cyclegan."""
    paired: Path | None = None
    """A run of the same domains with --paired: the ceiling, and who is honest about what a
    translation leaves open. Without it there is no H."""
    out: Path | None = None
    """Also put all runs on one page in this folder."""
    images: int = Settings().test_images
    """Test images to score on, at least 40."""
    seed: int = 0
    """Of permutations, half-samples and noise."""
    checkpoint: Literal["last", "best"] = "last"
    """Weights to score: the newest, or those with the best score, which knows no truth."""


def read_pairs(domains: Any, version: str, count: int) -> Pairs:
    """The first test images of two domains, in which row i of one is the truth of row i of the
    other."""
    from baselines.training.domains import draw

    card = release(version)
    params = fdd.sample_params(count, SCORE_SPLIT, version=card.name)
    counts = np.concatenate(
        [
            fdd.render(params[start : start + BLOCK], "counts", card.size, card.points)
            for start in range(0, count, BLOCK)
        ]
    )
    first, second = (draw(domains, side, counts, params, card) for side in (False, True))
    return Pairs(
        first,
        second,
        counts if domains in ("palettes", "mask") else None,
        PALETTES[domains],
        turned=domains == "sign",
        binary=domains == "mask",
    )


def load(path: Path, checkpoint: str) -> Any:
    """The translator of a run folder. FddError for one that does not translate attractors."""
    import baselines

    model = baselines.load_run(path, checkpoint=checkpoint)
    if not model.can_translate:
        raise FddError(f"run folder {shown(path)}: {model!r} does not translate images")
    if model.config["data"] != "stream":
        raise FddError(
            f"run folder {shown(path)}: it knows pictures, of which no true translation is known"
        )
    return model


def score_run(path: Path, options: Options, told: Any, settings: Settings) -> Evaluation:
    """The scores of one run. FddError for one of other domains than those of `told`."""
    from benchmarks.adapters import weights_sha256

    model = load(path, options.checkpoint)
    config = model.config
    for name in ("domains", "version"):
        if told is not None and told.config[name] != config[name]:
            raise FddError(
                f"paired={shown(options.paired)} has {name}={shown(told.config[name])}, and run "
                f"folder {shown(path)} {shown(config[name])}: they must be the same"
            )
    with one_thread_for_all():
        pairs = read_pairs(config["domains"], config["version"], settings.test_images)
        found = evaluate(model, pairs, told=told, settings=settings)
    found.result.update(
        head(
            run_name(str(path)),
            config["version"],
            None,
            run=str(path),
            checkpoint=options.checkpoint,
            config=config,
            weights_sha256=weights_sha256(path, checkpoint=options.checkpoint),
            supervision=model.supervision,
        )
    )
    found.result["domains"] = config["domains"]
    if options.paired is not None:
        digest = weights_sha256(options.paired)
        found.result["told"] = {"run": str(options.paired), "sha256": digest}
    return found


def score_runs(options: Options) -> list[Evaluation]:
    """Score all runs, each into its own folder, and put them on one page if asked to.

    FddError for a run that cannot be scored, and for a folder that another process works in, with
    nothing written there.
    """
    if not options.runs:
        raise FddError("runs is empty: give at least one run folder")
    runs = [as_path("runs", run) for run in options.runs]
    settings = replace(
        Settings(),
        test_images=whole_number("images", options.images, LEAST_IMAGES),
        seed=whole_number("seed", options.seed, 0),
    )
    told = None if options.paired is None else load(as_path("paired", options.paired), "last")
    if told is not None and not told.config["paired"]:
        raise FddError(
            f"paired={shown(options.paired)} is a run that was shown no pairs: train one with "
            "--paired"
        )
    folders = [not_linked(run / "translation") for run in runs]
    for folder in folders if options.out is None else [*folders, as_path("out", options.out)]:
        check_out(folder)
    found = []
    for run, folder in zip(runs, folders, strict=True):
        with alone_in(folder):
            found.append(score_run(run, options, told, settings))
            write_run(folder, found[-1])
    if options.out is not None:
        out, results = as_path("out", options.out), [one.result for one in found]
        with alone_in(out, PATIENCE):
            write_report(out, results, lambda: all_figures(found))
    return found


@command()
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status, as `fdd.commands.command` says."""
    options = parse(Options, arguments_of(argv), "fdd translation")
    for package in ("jinja2", "matplotlib", "scipy", "torch"):
        require(package)
    found = score_runs(options)
    say("\n\n".join(as_text(one.result) for one in found))
    folder = options.runs[0] / "translation" if options.out is None else options.out
    say(f"index.html, figures and scores: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
