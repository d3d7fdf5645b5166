"""The scores of several models on one page.

    fdd report runs/recipes/*

Each model is scored as `fdd score` does, and its scores stay beside it,
in MODEL/correspondence. Run again, the command takes the scores that are there: an interrupted
report goes on, and of a longer list of models only the new ones are scored.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from benchmarks import correspondence
from benchmarks.correspondence import Bench
from benchmarks.protocol.evaluation import Evaluation
from benchmarks.protocol.settings import PROTOCOL, Settings, Track
from benchmarks.reporting.figures import all_figures
from benchmarks.reporting.files import PAGE, check_out, strict_json, write_report
from benchmarks.reporting.saved import folder_of, load_evaluation, write_run
from benchmarks.reporting.text import headline, verdicts
from benchmarks.statistics.arrays import require
from fdd.commands import arguments_of, command, say
from fdd.errors import FddError, printable, shown
from fdd.files import PATIENCE, alone_in, as_path
from fdd.options import Arg, parse
from fdd.progress import progress_bar


@dataclass(frozen=True)
class Options:
    """Score models on one release and put them on one page, OUT/index.html.

    Runs that differ in their seed alone (RUN-seed0, RUN-seed1 and so on) become one line.
    """

    models: Annotated[tuple[str, ...], Arg("MODEL", positional=True)] = ()
    """Run folders, or other models as `fdd score` takes them."""
    out: Path = Path("report")
    """Where to write index.html, results.csv, results.json and figures."""
    images: int | None = None
    """Test images to score on, at least 40; if not given, 2000, or 300 with --quick."""
    train_images: int | None = None
    """Train images to fit on, at least 40; if not given, 4000, or 800 with --quick."""
    quick: bool = False
    """A first look, less than a minute for each model: fewer images, and fewer draws for chance and
    intervals. A result says so, and stands in no table with those of the protocol."""
    seed: int = 0
    """Of subsets, permutations and half-samples."""
    checkpoint: Literal["last", "best"] = "last"
    """Weights of a run to score: the newest, or those of the best score on held-out images."""
    data: str | None = None
    """The release to score on; of a run the one that it was trained on, else fdd-1."""
    size: int | None = None
    """Pixels on a side of the images; of a run its own, else those of the release."""
    oracle: Path | None = None
    """What `python -m benchmarks.reader` wrote, as the ceiling; fdd-1 and mini-1 have one."""
    supervision: Track | None = None
    """What the models were trained with that do not say so themselves; none if not given."""
    processes: int | None = None
    """Processes that score a model side by side; if not given, one for each processor, up to 6, and
    one alone for fewer than 2000 images."""

    def of_each(self) -> correspondence.Options:
        """The options that all models are scored with."""
        given = asdict(self)
        del given["models"], given["out"]
        return correspondence.Options(model="", **given)


def score_models(
    models: Sequence[str], bench: Bench, done: Callable[[str], None] = lambda text: None
) -> list[Evaluation]:
    """The evaluation of each model: the one saved beside it, if that still holds, else a new one.

    It holds for the same protocol, settings, image size, release, oracle, version of the package,
    config and weights. A new one is saved before the next model is scored.

    Raises FddError, before anything is scored, where a model cannot be read or is given twice,
    where its scores could not be saved, and for models of several releases; and where another
    process scores one of them.

    done : called with a line about each model when it has its scores
    """
    if not models:
        raise FddError("models is empty: give at least one run folder")
    folders = [folder_of(model).resolve() for model in models]
    for number, model in enumerate(models):
        if folders[number] in folders[:number]:
            raise FddError(f"{shown(model)} is given twice")
        check_out(folder_of(model))
    abouts = [bench.about(model) for model in models]
    versions = dict.fromkeys(about["data_version"] for about in abouts)
    if len(versions) > 1:
        raise FddError(
            f"the models are of the releases {', '.join(versions)}, whose scores are not "
            "comparable: give those of one, or choose with data"
        )
    found = []
    for model, about in zip(models, abouts, strict=True):
        with alone_in(folder_of(model)):
            evaluation = load_evaluation(folder_of(model))
            if evaluation is not None and is_of(evaluation.result, about, bench.settings):
                evaluation.result.update(about)  # the folder may have moved
                if not (folder_of(model) / PAGE).exists():  # drawing failed
                    write_run(folder_of(model), evaluation)
                done(f"{model}: scored before")
            else:
                evaluation = bench.score(model)
                write_run(folder_of(model), evaluation)
                done(f"{model}: scored")
        found.append(evaluation)
    return found


def is_of(result: Mapping[str, Any], about: Mapping[str, Any], settings: Settings) -> bool:
    """Whether scoring the model now would give this result; never if its weights are not known."""
    now = {"protocol": PROTOCOL, "settings": asdict(settings), **about}
    keys = ("protocol", "settings", "image_size", "data_version", "fdd_version", "config")

    def facts(one: Mapping[str, Any]) -> Any:
        oracle = one.get("oracle") or {}
        known = {key: one.get(key) for key in (*keys, "weights_sha256")}
        return json.loads(strict_json(known | {"oracle": oracle.get("sha256")}))

    return bool(about["weights_sha256"]) and facts(result) == facts(now)


def write_page(options: Options, bench: Bench, done: Callable[[str], None]) -> str:
    """Score the models and write their page; returns what the command prints.

    FddError as `score_models`, and where the folder cannot be written.
    """
    out = as_path("out", options.out)
    check_out(out)
    evaluations = score_models(options.models, bench, done)
    results = [evaluation.result for evaluation in evaluations]
    with alone_in(out, PATIENCE):
        write_report(out, results, lambda: all_figures(evaluations))
    said = "\n".join([*verdicts(results), "", headline(results)])
    return f"{said}\nindex.html, results.csv, results.json and figures: {out}"


@command(stopped="stopped; run the same command again to go on from the last model scored")
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status, as `fdd.commands.command` says."""
    options = parse(Options, arguments_of(argv), "fdd report")
    for package in ("jinja2", "matplotlib", "scipy", "sklearn", "torch"):
        require(package)
    with ExitStack() as shown:

        @cache
        def bar() -> Any:  # from the first part on: a mistake is found before
            total = len(options.models)
            made = progress_bar(total=total, desc="scoring", unit="model", leave=False)
            return shown.enter_context(made)

        def done(text: str) -> None:
            bar().update()
            bar().write(printable(text), file=sys.stderr)

        def tell(name: str, done: int, of: int) -> None:
            bar().set_postfix_str(f"{done} of {of} parts {name}".rstrip())

        printed = write_page(options, Bench(options.of_each(), tell), done)
    say(printed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
