"""Does the latent space of a trained model correspond to the parameters? The scores of one model.

    fdd score runs/first

docs/protocol.md says what is done; `benchmarks.protocol.evaluation.evaluate` does it, as a function
of a model and arrays. The command feeds it a model and the data set, prints the tables and writes
scores.json, index.html and figures.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal

from benchmarks.oracle import load_oracle
from benchmarks.protocol.data import Data, read_data
from benchmarks.protocol.evaluation import LEAST_IMAGES, Evaluation, evaluate, head
from benchmarks.protocol.parts import Tell, processes_for, progress, quiet, run_parts
from benchmarks.protocol.settings import QUICK, TRACKS, Settings, Track
from benchmarks.reporting.files import check_out
from benchmarks.reporting.saved import folder_of, write_run
from benchmarks.reporting.text import as_text
from benchmarks.statistics.arrays import require
from benchmarks.statistics.threads import one_thread_for_all
from fdd.commands import arguments_of, command, say
from fdd.errors import FddError, known, shown, whole_number
from fdd.files import alone_in, as_path
from fdd.options import Arg, parse
from fdd.releases.cards import DEFAULT_VERSION, release


@dataclass(frozen=True)
class Options:
    """Score how far the codes of a trained model correspond to the parameters of the images.

    Fits on the first train images, scores on the first test images; writes scores.json, index.html.
    """

    model: Annotated[str, Arg("MODEL", positional=True)]
    """The run folder that a baseline wrote; a folder with train.npy and test.npy, the codes of the
    first images of these splits; an .onnx file, or a folder with encoder.onnx and generator.onnx;
    the name of a trained model of the package, such as mini-emulator; or package.module:name of a
    model or a function that makes one (docs/protocol.md)."""
    images: int | None = None
    """Test images to score on, at least 40; if not given, 2000, or 300 with --quick."""
    train_images: int | None = None
    """Train images to fit on, at least 40; if not given, 4000, or 800 with --quick."""
    quick: bool = False
    """A first look in less than a minute: fewer images, and fewer draws for chance and intervals. A
    result says so, and stands in no table with those of the protocol."""
    out: Path | None = None
    """Where to write; MODEL/correspondence if not given."""
    seed: int = 0
    """Seed of the subsets, permutations and half-samples."""
    checkpoint: Literal["last", "best"] = "last"
    """Weights of a run to score: the newest, or those with the best score on held-out images."""
    data: str | None = None
    """The release to score on; for a run the one that it was trained on, else fdd-1."""
    size: int | None = None
    """Pixels on a side of the images that the model takes and makes; for a run its own, else those
    of the release."""
    oracle: Path | None = None
    """What `python -m benchmarks.reader` wrote, as the ceiling; fdd-1 and mini-1 have one."""
    supervision: Track | None = None
    """What a model was trained with that does not say so itself, its track (docs/protocol.md says
    what each may use); none if not given."""
    processes: int | None = None
    """Processes that score side by side, each with one thread; if not given, one for each
    processor, up to 6, and one alone for fewer than 2000 images. The scores are the same."""

    def settings(self, others: Settings | None = None) -> Settings:
        """What is given here, else `others`, else QUICK or the protocol's own.

        FddError if out of range.
        """
        base = others or (QUICK if self.quick else Settings())
        given = {
            field: whole_number(name, count, LEAST_IMAGES)
            for field, name, count in (
                ("test_images", "images", self.images),
                ("train_images", "train_images", self.train_images),
            )
            if count is not None
        }
        return replace(base, seed=whole_number("seed", self.seed, 0), **given)


class Bench:
    """Scores models one after another; the data and the oracle that they share are read once."""

    def __init__(
        self, options: Options, tell: Tell = quiet, others: Settings | None = None
    ) -> None:
        self.options, self.settings = options, options.settings(others)
        processes = processes_for(self.settings.test_images, options.processes)
        self.run = partial(run_parts, processes=processes, tell=tell)
        self.oracle = cache(partial(load_oracle, path=options.oracle))
        self._data: dict[tuple[str, int], Data] = {}

    def data(self, version: str, size: int) -> Data:
        """The images of that size that models are scored on."""
        if (version, size) not in self._data:
            oracle = self.oracle(version)
            self._data.clear()  # one at a time: 300 MB at 128 x 128
            self._data[version, size] = read_data(version, size, self.settings, oracle, self.run)
        return self._data[version, size]

    def about(self, path: str) -> dict[str, Any]:
        """Which model it is, and what it is scored with: all of a result but the scores.

        FddError if the model cannot be read, or was trained on pictures.
        """
        return self._about(path, self._load(path))

    def score(self, path: str) -> Evaluation:
        """The scores of one model, and everything that `about` says."""
        model = self._load(path)
        about = self._about(path, model)
        with one_thread_for_all():
            data = self.data(about["data_version"], about["image_size"])
            found = evaluate(model, data, settings=self.settings, run=self.run)
        found.result.update(about)
        return found

    def _load(self, path: str) -> Any:
        from benchmarks.adapters import load_model

        return load_model(path, checkpoint=self.options.checkpoint)

    def _about(self, path: str, model: Any) -> dict[str, Any]:
        from benchmarks.adapters import weights_sha256

        config = model.config or {}
        trained = config.get("data_version", DEFAULT_VERSION)
        if trained is None:
            raise FddError(f"run folder {shown(path)}: it knows pictures, which have no parameters")
        version = release(self.options.data or trained).name
        checkpoint, size = self.options.checkpoint, self.options.size or model.image_size
        return head(
            run_name(path),
            version,
            self.oracle(version),
            run=path,
            checkpoint=checkpoint,
            config=config,
            weights_sha256=weights_sha256(path, checkpoint=checkpoint),
            supervision=supervision_of(path, model, self.options.supervision),
        ) | {"image_size": size or release(version).size}


def supervision_of(path: str, model: Any, stated: str | None) -> str:
    """What a model was trained with: as it says itself, else as stated, else none.

    FddError where both are there and differ, and for what is none of TRACKS.
    """
    own = getattr(model, "supervision", None)
    if own is not None:
        known(f"'{path}': supervision", own, TRACKS)
    if own is not None and stated is not None and own != stated:
        raise FddError(f"supervision is {stated!r}, but '{path}' says that it is {own!r}")
    return own or stated or "none"


def run_name(path: str) -> str:
    """What a model is called: the last part of its path, without -seedN.

    >>> run_name("runs/recipes/mini-lsd-seed2"), run_name("models/encoder.onnx")
    ('mini-lsd', 'encoder.onnx')
    """
    name = Path(path).resolve().name if ":" not in path else path
    return re.sub(r"-seed\d+$", "", name)


def score_run(
    options: Options, tell: Tell = quiet, others: Settings | None = None
) -> tuple[Evaluation, Path]:
    """Score a model on the data set; the scores, and the folder they were written to.

    Settings that are no options are those of the protocol, or `others`. FddError, and nothing
    written, for a bad option, model or folder, and for a folder that another process works in.
    """
    out = folder_of(options.model) if options.out is None else as_path("out", options.out)
    check_out(out)
    for package in ("jinja2", "matplotlib", "scipy", "sklearn", "torch"):
        require(package)
    with alone_in(out):
        found = Bench(options, tell, others).score(options.model)
        write_run(out, found)
    return found, out


@command()
def main(argv: Sequence[str] | None = None, others: Settings | None = None) -> int:
    """The command line; returns its exit status, as `fdd.commands.command` says.

    `others` are as in `score_run`.
    """
    options = parse(Options, arguments_of(argv), "fdd score")
    with progress() as tell:
        found, out = score_run(options, tell, others)
    say(as_text(found.result))
    say(f"index.html, scores.json and figures: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
